"""Lists of companies as servers send them: what is read, what is refused, and what pages are tried again."""

import contextlib
import http.server
import threading
from collections.abc import Callable, Iterator
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.errors import ParameterError, SourceError
from stockstream.ingest.asx import AsxDirectory, AsxOfficial, company_of, parse, without_temporary
from stockstream.ingest.html_table import HtmlTable
from stockstream.ingest.sources import SymbolRow, SymbolSource
from stockstream.ingest.web import Web

HEADER = '"ASX code","Company name","GICs industry group","Listing date","Market Cap"\n'
DIRECTORY = (
    HEADER + '"14D","1414 DEGREES LIMITED","Capital Goods","12/09/2018",10685244\n'
    '"360","LIFE360 INC.","Software & Services","10/05/2019",5160576073\n'
    '"INF","INFINITY, & SONS","Materials","15/04/2011","SUSPENDED"\n'
    '"NAN","NANOSONICS LIMITED","Health Care","17/05/2007","--"\n'
    '"PRN","","Not Applic","06/01/1994","N/A"\n'
    '"ZZZ","ZED","Class Pend","",0\n'
    '"YYY","WHY","Class Pend","29/02/2024",'
)


def texts(rows: list[SymbolRow]) -> dict[str, str]:
    return {row.symbol: row.market_cap_text for row in rows}


def test_the_directory_is_read_by_its_header() -> None:
    rows = parse(DIRECTORY.encode())
    assert [row.symbol for row in rows] == ["14D", "360", "INF", "NAN", "PRN", "ZZZ", "YYY"]
    assert [row.market_cap for row in rows] == [10685244, 5160576073, None, None, None, None, None]
    assert texts(rows) == {"14D": "", "360": "", "INF": "SUSPENDED", "NAN": "--", "PRN": "N/A", "ZZZ": "0", "YYY": ""}
    assert rows[0].listing_date == date(2018, 9, 12)
    assert rows[5].listing_date is None
    assert rows[2].name == "INFINITY, & SONS"
    assert rows[4].name == ""
    moved = '"Listing date","ASX code","Company name","Something new","GICs industry group"\n2018-09-12,14D,A,x,B\n'
    assert parse(b"\xef\xbb\xbf" + moved.replace("\n", "\r\n").encode()) == [
        SymbolRow(symbol="14D", name="A", sector="B", listing_date=date(2018, 9, 12))
    ]


def test_the_official_list_is_read_below_its_title() -> None:
    text = (
        "ASX listed companies as at Mon Mar 02 10:47:08 AEDT 2026\n\nCompany name,ASX code,GICS industry group\n"
        '"1414 DEGREES LIMITED","14D","Capital Goods"\n"360 CAPITAL MORTGAGE REIT","TCF","Not Applic"\n'
    )
    assert parse(text.encode()) == [
        SymbolRow(symbol="14D", name="1414 DEGREES LIMITED", sector="Capital Goods"),
        SymbolRow(symbol="TCF", name="360 CAPITAL MORTGAGE REIT", sector="Not Applic"),
    ]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"Bad Gateway", "expected a list of companies; found 'Bad Gateway'"),
        (b'{"error":{"code":500,"errors":[{}]}}', 'found \'{"error":'),
        (b'{"fault":{"faultstring":"Error writing request to target"}}', 'found \'{"fault":'),
        (b"<!DOCTYPE html><html><title>Will be right back</title></html>", "found '<!DOCTYPE html>"),
        (b"", "found ''"),
        (HEADER.encode(), "found a header without rows"),
        (HEADER[:-1].encode(), "found a header without rows"),
        (HEADER.encode() + b'"14D","1414 DEG', "line 2: expected comma-separated fields"),
        (HEADER.encode() + b'"14D","1414 DEGREES","Capital"\n', "line 2: expected 5 fields; found 3"),
        (HEADER.encode() + b'"14D","A","B","12/13/2018",1\n', "line 2: expected a date like 31/01/2024"),
        (HEADER.encode() + b'"14D","A","B","soon",1\n', "found 'soon'"),
        (HEADER.encode() + b'"","A","B","",1\n', "line 2: expected a code in capital letters and digits; found ''"),
        (HEADER.encode() + b'"1 D","A","B","",1\n', "found '1 D'"),
        (
            HEADER.encode() + b'"14D","A","B","",1\n"14D","C","B","",1\n',
            "line 3: expected each code once; found 14D",
        ),
        (HEADER.encode() + b'"14D","\xe9","B","",1\n', "expected a list of companies in UTF-8; found the byte 0xe9"),
        (b"ASX code,ASX code\nA,B\n", "expected one column 'ASX code'; found 2"),
    ],
)
def test_what_is_no_whole_list_is_refused_with_a_reason(body: bytes, says: str) -> None:
    with pytest.raises(SourceError) as refused:
        parse(body)
    assert says in str(refused.value)


def test_codes_that_exist_for_a_time_are_left_out_and_keep_their_company_listed() -> None:
    assert [company_of(code) for code in ("AJQDA", "NABN", "HLSNB", "EMUCA", "SGLLV", "NWS", "QUAL", "FANG")] == [
        "AJQ", "NAB", "HLS", "EMU", None, None, None, None,
    ]  # fmt: skip
    rows = [SymbolRow(symbol=code, name=code.lower()) for code in ("AJQDA", "BHP", "NAB", "NABN", "SGLLV")]
    kept, temporary = without_temporary(rows)
    assert [(row.symbol, row.name) for row in kept] == [
        ("AJQ", "ajqda"), ("BHP", "bhp"), ("NAB", "nab"), ("SGLLV", "sgllv"),
    ]  # fmt: skip
    assert temporary == {"AJQDA": "AJQ", "NABN": "NAB"}


PAGE = """
<html><title>Listed</title><table><tr><td>menu</td></tr></table>
<table class="wide"><caption>All</caption><thead><tr><th>Company <sup>[1]</sup></th><th> Ticker
</th><th>Sector</th><th>Value</th></tr></thead>
<tbody><tr><td>Fisher &amp; Paykel</td><td><a href="/fph">FPH</a></td><td>Health</td><td>12,345,678</td></tr>
<tr><td>Spark<script>x()</script></td><td>SPK</td><td colspan="2">n/a</td></tr><tr></tr></tbody></table></html>
"""


def test_a_table_of_a_page_is_read_by_its_columns() -> None:
    columns = {"symbol": "ticker", "name": "Company", "sector": "Sector", "market_cap": "Value"}
    source = HtmlTable(url="http://example.com", columns=columns)
    assert source.parse(PAGE.encode()) == [
        SymbolRow(symbol="FPH", name="Fisher & Paykel", sector="Health", market_cap=12345678),
        SymbolRow(symbol="SPK", name="Spark", sector="n/a", market_cap_text="n/a"),
    ]
    for other, says in (
        (HtmlTable(url="-", columns={"symbol": "Code"}), "column 'Code'; found none on the page 'Listed'"),
        (HtmlTable(url="-", columns={"symbol": "Ticker"}, table="table.narrow"), "expected a table 'table.narrow'"),
    ):
        with pytest.raises(SourceError, match=says):
            other.parse(PAGE.encode())
    with pytest.raises(SourceError, match="row 3: expected 4 fields; found 1"):
        source.parse(PAGE.replace("<td>SPK</td>", "").replace('<td colspan="2">n/a</td>', "").encode())


def test_columns_that_cannot_be_are_refused() -> None:
    with pytest.raises(ParameterError, match="Did you mean 'symbol'"):
        HtmlTable(url="-", columns={"symbl": "Ticker"})
    with pytest.raises(ParameterError, match="expected the name of the column with the codes"):
        HtmlTable(url="-", columns={"name": "Company"})
    with pytest.raises(ParameterError, match="attempts >= 1"):
        Web(attempts=0)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode), st.integers(0, len(DIRECTORY)))
def test_no_body_at_all_does_more_than_be_refused(noise: bytes, place: int) -> None:
    """Cut the list anywhere and put anything there: it is read, or refused with a reason, and nothing else happens."""
    body = DIRECTORY.encode()
    page = HtmlTable(url="-", columns={"symbol": "ASX code"})
    for changed in (noise, body[:place], body[:place] + noise + body[place:]):
        for read in (parse, page.parse):
            with contextlib.suppress(SourceError):
                for row in read(changed):
                    assert row.symbol
                    assert row.market_cap is None or 0 < row.market_cap < 10**18


# ---- the web -----------------------------------------------------------------------------------------------------

Answers = list[tuple[int, bytes]]


@pytest.fixture
def serve() -> Iterator[Callable[[Answers], tuple[str, list[str]]]]:
    """Give a function that serves answers in turn, the last one for ever, and records the user agents.

    A status below 0 hangs up ten bytes before the end.
    """
    started: list[http.server.ThreadingHTTPServer] = []

    def start(answers: Answers) -> tuple[str, list[str]]:
        agents: list[str] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                agents.append(self.headers["User-Agent"])
                status, body = answers.pop(0) if len(answers) > 1 else answers[0]
                self.send_response(abs(status))
                self.send_header("Content-Length", str(len(body) + (10 if status < 0 else 0)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        started.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/list", agents

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def test_a_page_that_failed_is_asked_for_again_after_growing_waits(
    serve: Callable[[Answers], tuple[str, list[str]]],
) -> None:
    good = DIRECTORY.encode()
    url, agents = serve([(503, b""), (200, b"Bad Gateway"), (429, b""), (200, HEADER.encode()), (200, good)])
    waits: list[float] = []
    source = AsxDirectory(url=url, attempts=5, sleep=waits.append)
    assert isinstance(source, SymbolSource)
    found = source.fetch()
    assert len(found.rows) == 7
    assert found.raw == good
    assert len(waits) == 4
    assert all(0 <= wait <= 2**k for k, wait in enumerate(waits))
    assert all(agent.startswith("Mozilla/5.0") for agent in agents)


@pytest.mark.parametrize(
    ("answers", "attempts", "says"),
    [
        ([(500, b"")], 3, "answered 500 Internal Server Error (3 tries)"),
        ([(200, b"Bad Gateway")], 3, "found 'Bad Gateway' (3 tries)"),
        ([(-200, DIRECTORY.encode())], 3, "did not answer: ChunkedEncodingError"),
        ([(404, b"")], 1, "answered 404 Not Found"),
        ([(403, b"")], 1, "answered 403 Forbidden"),
    ],
)
def test_what_never_answers_well_is_refused(
    serve: Callable[[Answers], tuple[str, list[str]]], answers: Answers, attempts: int, says: str
) -> None:
    url, agents = serve(answers)
    with pytest.raises(SourceError) as refused:
        AsxOfficial(url=url, attempts=3, sleep=lambda _: None).fetch()
    assert says in str(refused.value)
    assert len(agents) == attempts


def test_a_server_that_is_not_there_or_hangs_up_is_refused() -> None:
    with pytest.raises(SourceError, match=r"did not answer: ConnectionError.*\(2 tries\)"):
        AsxDirectory(url="http://127.0.0.1:1/list", attempts=2, sleep=lambda _: None).fetch()
    with pytest.raises(SourceError, match=r"expected an address such as https://.*; found 'list'"):
        AsxDirectory(url="list").fetch()
