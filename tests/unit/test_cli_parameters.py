"""Texts of the command line become the values that a constructor expects."""

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.cli.parameters import kinds_of, required_of, split_assignments, typed_grid, typed_values
from stockstream.errors import ParameterError, UnknownNameError


class Everything:
    def __init__(
        self,
        whole: int,
        number: float = 1,
        flag: bool = False,
        word: str = "a",
        perhaps: int | None = None,
        either: "float | int" = 0.5,
        kind: Literal["up", "down"] = "up",
        bare=7,
        free: Any = None,
        *,
        keyword: int = 3,
    ) -> None: ...


class Nothing:
    pass


class Unresolvable:
    def __init__(self, period: "NotImported" = 14, other: "NotImported" = None) -> None: ...  # noqa: F821


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("whole=20", 20),
        ("number=20", 20.0),
        ("number=1e-3", 0.001),
        ("flag=yes", True),
        ("flag=FALSE", False),
        ("word=20", "20"),
        ("word=a=b", "a=b"),
        ("perhaps=none", None),
        ("perhaps=5", 5),
        ("either=2", 2),
        ("either=2.5", 2.5),
        ("kind=down", "down"),
        ("bare=9", 9),
        ("free=9", 9),
        ("free=9.5", 9.5),
        ("free=true", True),
        ("free=None", None),
        ("free=up", "up"),
        (" keyword = 4 ", 4),
    ],
)
def test_a_value_has_the_type_of_its_annotation_or_default(text: str, value: object) -> None:
    given_texts = [text] if text.startswith("whole") else [text, "whole=1"]
    found = typed_values("--param", given_texts, Everything)[text.partition("=")[0].strip()]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("whole=2.0", "expected a whole number for --param whole; found '2.0'"),
        ("number=two", "expected a number for --param number"),
        ("flag=2", "expected true or false for --param flag"),
        ("perhaps=x", "expected none or a whole number for --param perhaps"),
        ("bare=x", "expected a whole number for --param bare"),
    ],
)
def test_a_value_of_another_type_is_refused(text: str, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        typed_values("--param", ["whole=1", text] if not text.startswith("whole") else [text], Everything)


def test_names_are_those_of_the_constructor() -> None:
    assert required_of(Everything) == ["whole"]
    assert kinds_of(Nothing) == {}
    assert kinds_of(Unresolvable) == {"period": (int,), "other": ()}
    with pytest.raises(UnknownNameError, match="Nothing has no param 'x'; it has none"):
        typed_values("--param", ["x=1"], Nothing)
    with pytest.raises(ParameterError, match="needs a value for whole"):
        typed_grid("--param", ["number=1"], Everything)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("whole=5", [5]),
        ("whole=10,20,50", [10, 20, 50]),
        ("whole=5:20:5", [5, 10, 15, 20]),
        ("whole=5:19:5", [5, 10, 15]),
        ("whole=3:5", [3, 4, 5]),
        ("whole=5:5", [5]),
        ("whole=5:15:5,100", [5, 10, 15, 100]),
        ("whole=5,5:6", [5, 6]),
        ("whole=-2:2:2", [-2, 0, 2]),
        ("number=0.1:0.3:0.1", [0.1, 0.2, 0.3]),
        ("number=1:2:0.5", [1.0, 1.5, 2.0]),
        ("word=a,b", ["a", "b"]),
    ],
)
def test_lists_and_ranges_include_their_last_value(text: str, values: list[object]) -> None:
    given_texts = [text] if text.startswith("whole") else [text, "whole=1"]
    assert typed_grid("--param", given_texts, Everything)[text.partition("=")[0]] == values


@given(first=st.integers(-1000, 1000), count=st.integers(1, 200), step=st.integers(1, 50))
def test_a_range_is_pythons_with_its_end(first: int, count: int, step: int) -> None:
    last = first + (count - 1) * step
    found = typed_grid("--param", [f"whole={first}:{last}:{step}"], Everything)["whole"]
    assert found == list(range(first, last + 1, step))


@given(st.text())
def test_any_text_is_split_or_refused(text: str) -> None:
    try:
        pairs = split_assignments("--param", [text])
    except ParameterError:
        assert not all(part.strip() for part in text.partition("="))
    else:
        ((name, value),) = pairs.items()
        assert [name, value] == [part.strip() for part in text.split("=", 1)]
