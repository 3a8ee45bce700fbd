"""Measure sweeps beside their roofline and beside vectorbt and raptorbt: ``python -m benchmarks.sweep_speed``.

Each case runs in a process of its own, so that peaks of memory and cold starts are its own, and one that fails or is
missing leaves a line in the results instead of ending the rest. Writes ``benchmarks/results/sweep.json``, the plot
beside it and the marked block of the README; ``--page`` writes the last two anew from the file.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from benchmarks.indicator_speed import processor
from benchmarks.sweep_page import into_readme, plot

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "sweep.json"
README = ROOT / "README.md"

#: Case -> module and the most seconds it may take.
CASES = {
    "crossovers": ("sweep_cases", 60),
    "raptorbt": ("sweep_peers", 60),
    "vectorbt_numba": ("sweep_peers", 150),
    "vectorbt_rust": ("sweep_peers", 120),
    "rules": ("sweep_cases", 90),
    "million": ("sweep_cases", 60),
    "many_symbols": ("sweep_cases", 90),
    "executors": ("sweep_cases", 60),
    "trust": ("trust_cases", 90),
    "growth": ("sweep_cases", 180),
}

#: Seconds for everything; what has not begun by then is left out.
WHOLE = 500


def child(module, case, seconds, cache=None):
    """Run a case in a new process; return its answer, or why there is none."""
    environment = dict(os.environ) | ({"NUMBA_CACHE_DIR": cache} if cache else {})
    command = [sys.executable, "-m", f"benchmarks.{module}", case]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        said = error.stdout or b""
        return answered(said.decode() if isinstance(said, bytes) else said, f"took more than {seconds:.0f} s")
    failed = (done.stderr.strip().splitlines() or ["no answer"])[-1] if done.returncode else ""
    return answered(done.stdout, failed)


def answered(said, failed):
    """Return the last answer of a case, which may have given a part of it before it failed."""
    lines = [line for line in said.splitlines() if line.startswith("{") and line.endswith("}")]
    if not lines:
        return {"missing": failed or "no answer"}
    return json.loads(lines[-1]) | ({"ended early": failed} if failed else {})


def starts():
    """Return the seconds of a new process to its first result, without compiled kernels and with them."""
    found = {}
    with tempfile.TemporaryDirectory() as cache:
        for name in ("cold", "warm", "warm again"):
            begun = time.perf_counter()
            answer = child("sweep_cases", "first_result", 120, cache)
            found[name] = time.perf_counter() - begun
            if "missing" in answer:
                return answer
    return {"cold": found["cold"], "warm": min(found["warm"], found["warm again"])}


def measured():
    """Return everything."""
    found = {"machine": machine()}
    begun = time.perf_counter()
    for case, (module, seconds) in {**CASES, "starts": ("", 0)}.items():
        left = WHOLE - (time.perf_counter() - begun)
        if left < 1:
            found[case] = {"missing": f"not begun after {WHOLE} s"}
            continue
        found[case] = child(module, case, min(seconds, left)) if module else starts()
        said = found[case].get("missing") or found[case].get("ended early") or "done"
        print(f"{case}: {said} ({time.perf_counter() - begun:.0f} s so far)", flush=True)
    return found


def machine():
    """Return on what it was measured."""
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "not known"
    return {
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "load before": load,
        "python": platform.python_version(),
        "numba": version("numba"),
        "numpy": version("numpy"),
        "polars": version("polars"),
        "stockstream": version("stockstream"),
    }


def main():
    """Measure and write."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    if "--page" not in sys.argv:
        RESULTS.write_text(json.dumps(measured(), indent=1) + "\n", encoding="utf-8")
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    if "missing" not in found["growth"]:
        RESULTS.with_suffix(".svg").write_text(plot(found["growth"]), encoding="utf-8")
    README.write_text(into_readme(README.read_text(encoding="utf-8"), found), encoding="utf-8")
    print(f"written: {RESULTS}")


if __name__ == "__main__":
    main()
