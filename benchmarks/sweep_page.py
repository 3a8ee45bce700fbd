"""From the figures of `benchmarks.sweep_speed` to the block of the README and a plot."""

from __future__ import annotations

import math

BEGIN, END = "<!-- speed: begin (generated; edit the generator, not this table) -->", "<!-- speed: end -->"

MILLION, BILLION = 1e6, 1e9


def into_readme(text, found):
    """Return the README with the block between the marks renewed."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        return text
    return f"{before}{BEGIN}\n{block(found)}\n{END}{after}"


def block(found):
    """Return tables and what they were measured on."""
    m = found["machine"]
    on = (
        f"Measured {m['date']} on {m['processor']}, {m['cores']} cores (load before: {m['load before']}), Python "
        f"{m['python']}, Numba {m['numba']}, NumPy {m['numpy']}, Polars {m['polars']}, stockstream {m['stockstream']}. "
        "A bar-run is one combination on one bar of one symbol; times are of whole calls, indicators, planning and the "
        "frame of results included, the best of some rounds. Measures of the others were found equal to ours to 1e-9 "
        "first."
    )
    parts = [on, *crossovers(found), *rules(found), *sizes(found), *trust(found), losses(found)]
    return "\n\n".join(part for part in parts if part)


def ratio(ours, theirs):
    """Write how many times."""
    return f"{ours / theirs:,.0f}" if ours >= 10 * theirs else f"{ours / theirs:.1f}"


def crossovers(found):
    """Return the table of the crossovers."""
    ours = found["crossovers"]
    if "missing" in ours:
        return [f"The crossovers were not measured: {ours['missing']}."]
    lines = [
        "| crossovers of moving averages x 2,520 bars, six metrics | runs | million bar-runs a second | we make |",
        "|---|---|---|---|",
    ]
    lines.append(f"| stockstream, {ours['metrics']} metrics | 20,000 | {ours['rate'] / MILLION:,.0f} | |")
    if "missing" not in found["growth"]:
        large = max(found["growth"]["combinations"], key=lambda point: point["runs"] * (point["runs"] <= MILLION))
        rate = large["runs"] * large["sessions"] / large["seconds"]
        lines.append(f"| the same, six metrics, the best 100 kept | {large['runs']:,} | {rate / MILLION:,.0f} | |")
    lines.append(
        f"| roofline: compare two rows a bar, nothing else | 20,000 | {ours['roofline_rate'] / MILLION:,.0f} | "
        f"{100 * ours['share_of_roofline']:.0f} % of it ({100 * ours['share_by_cpu']:.0f} % by processor time) |"
    )
    for name, title in (
        ("vectorbt_numba", "vectorbt, Numba"),
        ("vectorbt_rust", "vectorbt, Rust"),
        ("raptorbt", "raptorbt, one batch"),
    ):
        peer = found[name]
        if "missing" in peer:
            lines.append(f"| {title} | | not measured: {peer['missing']} | |")
            continue
        peer = peer.get("crossovers", peer)
        times = ratio(ours["rate"], peer["rate"])
        lines.append(
            f"| {title} {peer['version']} | {peer['runs']:,} | {peer['rate'] / MILLION:,.2f} | {times} times as many |"
        )
    spent = ", ".join(f"{part} {value:.1f}" for part, value in ours["profile"].items())
    return ["\n".join(lines), f"Where a call of 20,000 spends its processor time, in ms: {spent}."]


def rules(found):
    """Return the table of the other rules."""
    ours = found["rules"]
    if "missing" in ours:
        return [f"Other rules were not measured: {ours['missing']}."]
    lines = [
        "| microseconds a run of 2,520 bars | stockstream | vectorbt, Numba | vectorbt, Rust | times the faster |",
        "|---|---|---|---|---|",
    ]
    for name, row in ours.items():
        cells, best = [], math.inf
        for engine in ("vectorbt_numba", "vectorbt_rust"):
            peer = found[engine].get("rules", {}).get(name)
            cells.append(f"{1e6 * peer['per_run']:,.0f}" if peer else "not measured")
            best = min(best, peer["per_run"]) if peer else best
        times = ratio(best, row["per_run"]) if best < math.inf else ""
        lines.append(f"| {name} | {1e6 * row['per_run']:.1f} | {' | '.join(cells)} | {times} |")
    return ["\n".join(lines)]


def sizes(found):
    """Return the table of size and start."""
    lines = ["| | seconds | most memory of the process |", "|---|---|---|"]
    for name, title in (
        ("million", "1,000,000 combinations x 2,520 bars, six metrics, all rows kept"),
        ("many_symbols", "200 symbols x 10,000 combinations x 2,520 bars, the best 1,000 kept"),
    ):
        row = found[name]
        if "missing" in row:
            lines.append(f"| {title} | not measured: {row['missing']} | |")
        else:
            lines.append(f"| {title} | {row['seconds']:.2f} | {row['peak_bytes'] / MILLION:,.0f} MB |")
    row = found["starts"]
    if "missing" not in row:
        lines.append(f"| new process to first result, nothing compiled | {row['cold']:.1f} | |")
        lines.append(f"| the same, kernels compiled before | {row['warm']:.1f} | |")
    row = found["executors"]
    if "missing" not in row:
        lines.append(f"| 40,000 combinations x 4 symbols on 2 threads | {row['threads']:.2f} | |")
        lines.append(f"| the same in 2 processes | {row['processes']:.2f} | |")
    plotted = "" if "missing" in found["growth"] else "Time against size: [plot](benchmarks/results/sweep.svg)."
    return ["\n".join(lines), plotted]


#: What is aimed at: part of the answer, title, and the most it may take: a share of the sweep, or seconds.
TRUST = (
    ("deflated", "what its best row proves, as a share of a sweep of 100,000, 15 metrics, a ledger of its own", 0.1),
    ("deflated_used", "the same with 60 sweeps on the same prices in the ledger", 0.1),
    ("overfitting", "probability of overfitting of the 100,000, 12,870 splits", 10),
    ("walk_forward_first", "walk-forward of 40 windows x 5,000 combinations, the first of a process", 5),
    ("walk_forward", "that walk-forward again", 5),
    ("audit_first", "audit of a rule on 100 symbols x 2,520 bars, the first of a process", 3),
    ("audit", "that audit again", 3),
)

SHARES = ("deflated", "deflated_used")


def trusted(row, part):
    """Return a figure of the tools against luck: seconds, but a share of the sweep for what its best row proves."""
    return row[part] / row["sweep"] if part in SHARES else row[part]


def trust(found):
    """Return the table of what it costs not to be fooled."""
    row = found["trust"]
    if "missing" in row:
        return [f"The tools against luck were not measured: {row['missing']}."]
    lines = ["| not to be fooled | takes | aimed at, at most |", "|---|---|---|"]
    for part, title, most in TRUST:
        taken = trusted(row, part)
        said = (f"{taken:.1%}", f"{most:.0%}") if part in SHARES else (f"{taken:.2f} s", f"{most} s")
        lines.append(f"| {title} | {said[0]} | {said[1]} |")
    return ["\n".join(lines)]


def losses(found):
    """Say where others are ahead, and what was aimed at and not reached."""
    said = []
    ours, aims = found["crossovers"], []
    if "missing" not in ours:
        aims.append((ours["rate"] >= 3 * BILLION, "3 billion bar-runs a second"))
        aims.append((ours["share_of_roofline"] >= 0.4, "40 % of the roofline"))
        for name, times in (("vectorbt_numba", 1000), ("vectorbt_rust", 1000), ("raptorbt", 200)):
            peer = found[name].get("crossovers", found[name])
            if "missing" not in peer:
                aims.append((ours["rate"] >= times * peer["rate"], f"{times:,} times {name.replace('_', ' with ')}"))
    for name, row in found["rules"].items() if "missing" not in found["rules"] else ():
        peers = [found[engine].get("rules", {}).get(name) for engine in ("vectorbt_numba", "vectorbt_rust")]
        aims += [(50 * row["per_run"] <= peer["per_run"], f"50 times vectorbt on {name}") for peer in peers if peer]
    if "missing" not in found["million"]:
        aims.append((found["million"]["peak_bytes"] < 400 * MILLION, "a million combinations in less than 400 MB"))
    if "missing" not in found["many_symbols"]:
        aims.append((found["many_symbols"]["seconds"] < 10, "200 symbols x 10,000 combinations in 10 s"))
    if "missing" not in found["starts"]:
        aims.append((found["starts"]["cold"] < 20, "20 s to a first result with nothing compiled"))
        aims.append((found["starts"]["warm"] < 2.5, "2.5 s to a first result"))
    row = found["trust"]
    aims += [(trusted(row, part) <= most, title) for part, title, most in TRUST if "missing" not in row]
    missed = list(dict.fromkeys(aim for reached, aim in aims if not reached))
    said.append(f"Aimed at and missed: {'; '.join(missed)}." if missed else "All that was aimed at was reached.")
    said.append(
        "Where others are ahead: raptorbt starts in milliseconds and needs no compiler, vectorbt takes any array of "
        "signals; a sweep of ours takes rules, and what its short ways do not serve (sizes other than all cash, lots, "
        "leverage, shared accounts) is simulated bar by bar, at tens to hundreds of microseconds a run."
    )
    if "missing" not in found["executors"] and found["executors"]["processes"] > found["executors"]["threads"]:
        times = ratio(found["executors"]["processes"], found["executors"]["threads"])
        said.append(f"Two processes take {times} times as long as two threads: they pay only on more machines.")
    return " ".join(said)


# ---- the plot ----------------------------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 460, 70, 30, 230, 50
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#8250df")


def plot(growth):
    """Return seconds against bar-runs, both on logarithmic axes, as SVG."""
    lines = {
        name: [(point["runs"] * point["sessions"], point["seconds"]) for point in points]
        for name, points in growth.items()
    }
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    left, right = math.floor(math.log10(min(xs))), math.ceil(math.log10(max(xs)))
    low, high = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)))

    def at(x, y):
        across = LEFT + (math.log10(x) - left) / (right - left) * (WIDTH - LEFT - RIGHT)
        down = TOP + (high - math.log10(y)) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return f"{across:.1f},{down:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for k in range(left, right + 1):
        x, bottom = at(10**k, 10**low).split(",")
        parts.append(f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{bottom}" stroke="#ddd"/>')
        parts.append(f'<text x="{x}" y="{float(bottom) + 18}" text-anchor="middle">1e{k}</text>')
    for k in range(low, high + 1):
        x, y = at(10**left, 10**k).split(",")
        parts.append(f'<line x1="{x}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{float(y) + 4}" text-anchor="end">1e{k}</text>')
    for place, (name, points) in enumerate(lines.items()):
        colour, corners = COLOURS[place % len(COLOURS)], [at(x, y) for x, y in points]
        parts.append(f'<polyline points="{" ".join(corners)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{c.split(",")[0]}" cy="{c.split(",")[1]}" r="3" fill="{colour}"/>' for c in corners]
        parts.append(f'<text x="{WIDTH - RIGHT + 14}" y="{TOP + 20 + 20 * place}" fill="{colour}">{name}</text>')
    parts.append(f'<text x="{(WIDTH - RIGHT + LEFT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">bar-runs</text>')
    parts.append(f'<text x="14" y="{TOP - 10}">seconds</text></svg>')
    return "\n".join(parts) + "\n"
