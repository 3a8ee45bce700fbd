"""A small interpreter of the state machine in `state_machine.asl.json`: the laptop runs the file that AWS runs.

Only what that file uses of the Amazon States Language (JSONPath) is understood; anything else is refused before the
first state runs, so that the two can never differ in silence.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Final

from stockstream.errors import ParameterError

#: A task: its input and the seconds it may take, to its output. Both are JSON.
type Task = Callable[[Any, float | None], Any]

#: Told what happens: a word, and facts about it.
type Observer = Callable[[str, Mapping[str, Any]], None]

_COMMON: Final = frozenset({"Type", "Comment"})
_FIELDS: Final[dict[str, frozenset[str]]] = {
    "Task": frozenset({"Resource", "TimeoutSeconds", "Parameters", "ResultPath", "Retry", "Catch", "Next", "End"}),
    "Map": frozenset({"ItemsPath", "MaxConcurrency", "ItemSelector", "ItemProcessor", "ResultPath", "Next", "End"}),
    "Pass": frozenset({"Parameters", "ResultPath", "Next", "End"}),
    "Choice": frozenset({"Choices", "Default"}),
    "Succeed": frozenset(),
    "Fail": frozenset({"Error", "Cause"}),
}
_RETRY: Final = frozenset(
    {"ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy"}
)
_CATCH: Final = frozenset({"ErrorEquals", "ResultPath", "Next"})
_TESTS: Final = ("BooleanEquals", "StringEquals")
_PATH: Final = re.compile(r"\$\$?(\.[A-Za-z_][A-Za-z0-9_]*)*")
_RESOURCE: Final = re.compile(r"\$\{(\w+)\}")
_EVERY_ERROR: Final = "States.ALL"


class ExecutionFailedError(Exception):
    """A state failed and nothing caught it.

    Attributes
    ----------
    error, cause
        The error's name, which is the name of the exception's class, and what it says.
    """

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}" if cause else error)
        self.error, self.cause = error, cause


def definition() -> dict[str, Any]:
    """Return the state machine of the daily run, with its placeholders."""
    text = files("stockstream.ingest").joinpath("state_machine.asl.json").read_text(encoding="utf-8")
    machine: dict[str, Any] = json.loads(text)
    return machine


def _ignore(_word: str, _facts: Mapping[str, Any]) -> None:
    """Observe nothing."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A state machine with its tasks.

    Attributes
    ----------
    states
        The definition: ``StartAt`` and ``States``.
    tasks
        Placeholder of a resource -> what does its work.
    workers
        Most items of a map at once; the definition's own limit holds too.
    observer
        Told of states, retries and items as they come.
    sleep, jitter
        For tests: a wait, and a random number between 0 and its argument.

    Raises
    ------
    ParameterError
        The definition uses something that is not understood here, or a task is missing.

    Examples
    --------
    >>> states = {"StartAt": "Double", "States": {"Double": {"Type": "Task", "Resource": "${double}", "End": True}}}
    >>> Machine(states=states, tasks={"double": lambda value, seconds: 2 * value}).run(21)
    42
    """

    states: Mapping[str, Any]
    tasks: Mapping[str, Task]
    workers: int = 10
    observer: Observer = _ignore
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[float], float] = field(default=lambda most: random.uniform(0, most))

    def __post_init__(self) -> None:
        _check_machine(self.states, self.tasks)

    def run(self, value: Any) -> Any:
        """Run from the first state to the last and return the output.

        Raises
        ------
        ExecutionFailedError
            A state failed and nothing caught it.
        """
        return self._run(self.states, value, {})

    def _run(self, machine: Mapping[str, Any], value: Any, context: Mapping[str, Any]) -> Any:
        name: str | None = machine["StartAt"]
        while name is not None:
            state = machine["States"][name]
            self.observer("state", {"name": name, "item": context.get("Map")})
            kind = state["Type"]
            if kind == "Succeed":
                return value
            if kind == "Fail":
                raise ExecutionFailedError(state.get("Error", ""), state.get("Cause", ""))
            if kind == "Choice":
                name = _choose(state, value)
                continue
            value, name = self._step(name, state, value, context)
        return value

    def _step(
        self, name: str, state: Mapping[str, Any], value: Any, context: Mapping[str, Any]
    ) -> tuple[Any, str | None]:
        """Run a state that makes an output; return it and the next state's name."""
        given = _filled(state["Parameters"], value, context) if "Parameters" in state else value
        try:
            if state["Type"] == "Task":
                result = self._task(name, state, given)
            elif state["Type"] == "Map":
                result = self._map(state, value)
            else:
                result = given
        except ExecutionFailedError as error:
            for catcher in state.get("Catch", ()):
                if _matches(catcher, error.error):
                    failure = {"Error": error.error, "Cause": error.cause}
                    return _placed(value, failure, catcher.get("ResultPath", "$")), catcher["Next"]
            raise
        return _placed(value, result, state.get("ResultPath", "$")), state.get("Next")

    def _task(self, name: str, state: Mapping[str, Any], value: Any) -> Any:
        task = self.tasks[_RESOURCE.fullmatch(state["Resource"])[1]]  # type: ignore[index]  # checked at the start
        tries = [0] * len(state.get("Retry", ()))
        while True:
            try:
                return task(value, state.get("TimeoutSeconds"))
            except Exception as error:
                kind = type(error).__name__
                place = next((n for n, one in enumerate(state.get("Retry", ())) if _matches(one, kind)), None)
                if place is None or tries[place] >= state["Retry"][place].get("MaxAttempts", 3):
                    self.observer("failed", {"name": name, "input": value, "error": kind, "cause": str(error)})
                    raise ExecutionFailedError(kind, str(error)) from error
                wait = self._wait(state["Retry"][place], tries[place])
                tries[place] += 1
                self.observer("retry", {"name": name, "input": value, "error": kind, "cause": str(error), "wait": wait})
                self.sleep(wait)

    def _wait(self, retrier: Mapping[str, Any], tried: int) -> float:
        seconds = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** tried
        seconds = min(seconds, retrier.get("MaxDelaySeconds", seconds))
        return self.jitter(seconds) if retrier.get("JitterStrategy") == "FULL" else seconds

    def _map(self, state: Mapping[str, Any], value: Any) -> list[Any]:
        items = _looked_up(state["ItemsPath"], value, {})

        def one(index: int) -> Any:
            context = {"Map": {"Item": {"Index": index, "Value": items[index]}}}
            given = _filled(state["ItemSelector"], value, context) if "ItemSelector" in state else items[index]
            result = self._run(state["ItemProcessor"], given, context)
            self.observer("item", {"index": index, "value": items[index], "result": result})
            return result

        self.observer("items", {"count": len(items)})
        # A limit of 0 means none in the language.
        most = min(self.workers, state.get("MaxConcurrency") or self.workers, max(len(items), 1))
        with ThreadPoolExecutor(most, thread_name_prefix="map") as pool:
            futures = [pool.submit(one, index) for index in range(len(items))]
            try:
                return [future.result() for future in futures]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _matches(rule: Mapping[str, Any], error: str) -> bool:
    return error in rule["ErrorEquals"] or _EVERY_ERROR in rule["ErrorEquals"]


def _choose(state: Mapping[str, Any], value: Any) -> str:
    for rule in state["Choices"]:
        found = _looked_up(rule["Variable"], value, {})
        test = next(name for name in _TESTS if name in rule)
        if type(found) is type(rule[test]) and found == rule[test]:
            return str(rule["Next"])
    return str(state["Default"])


def _filled(template: Any, value: Any, context: Mapping[str, Any]) -> Any:
    """Return a template with the values of its paths, which are the fields whose names end in ``.$``."""
    if isinstance(template, dict):
        return {
            key.removesuffix(".$"): _looked_up(part, value, context)
            if key.endswith(".$")
            else _filled(part, value, context)
            for key, part in template.items()
        }
    return template


def _looked_up(path: str, value: Any, context: Mapping[str, Any]) -> Any:
    found: Any = context if path.startswith("$$") else value
    for name in path.lstrip("$").split(".")[1:]:
        if not isinstance(found, Mapping) or name not in found:
            raise ExecutionFailedError("States.ParameterPathFailure", f"there is nothing at {path}")  # noqa: EM101
        found = found[name]
    return found


def _placed(value: Any, result: Any, path: str) -> Any:
    if path == "$":
        return result
    return {**value, path.removeprefix("$."): result}


def _check_machine(machine: Mapping[str, Any], tasks: Mapping[str, Task]) -> None:
    _only(machine, {"Comment", "StartAt", "States", "ProcessorConfig"}, "a state machine")
    states = machine["States"]
    for name, state in states.items():
        kind = state.get("Type")
        if kind not in _FIELDS:
            _refuse(f"the type {kind!r} of state {name}")
        _only(state, _FIELDS[kind] | _COMMON, f"state {name}")
        _check_ways(name, state, states)
        for key in ("Parameters", "ItemSelector"):
            _check_template(state.get(key, {}), name)
        _check_path(state.get("ItemsPath", "$"), name)
        _check_target(state.get("ResultPath", "$"), name)
        if kind == "Task":
            _check_task(name, state, tasks)
        if kind == "Map":
            processor = state["ItemProcessor"]
            if processor.get("ProcessorConfig", {"Mode": "INLINE"}) != {"Mode": "INLINE"}:
                _refuse(f"the ProcessorConfig of state {name}; only INLINE is")
            _check_machine(processor, tasks)


def _check_ways(name: str, state: Mapping[str, Any], states: Mapping[str, Any]) -> None:
    """Check where a state leads to, and what decides it."""
    targets = [state["Next"]] if "Next" in state else []
    for rule in state.get("Choices", ()):
        _only(rule, {"Variable", "Next", *_TESTS}, f"a choice of {name}")
        if sum(test in rule for test in _TESTS) != 1:
            _refuse(f"a choice of {name} without exactly one of {', '.join(_TESTS)}")
        _check_path(rule["Variable"], name)
        targets.append(rule["Next"])
    for rule in state.get("Retry", ()):
        _only(rule, _RETRY, f"a Retry of {name}")
    for rule in state.get("Catch", ()):
        _only(rule, _CATCH, f"a Catch of {name}")
        _check_target(rule.get("ResultPath", "$"), name)
        targets.append(rule["Next"])
    if state["Type"] == "Choice":
        targets.append(state.get("Default"))
    elif state["Type"] not in {"Succeed", "Fail"} and ("Next" in state) == bool(state.get("End")):
        _refuse(f"state {name} without exactly one of Next and End")
    missing = [target for target in targets if target not in states]
    if missing:
        _refuse(f"the way from {name} to {missing[0]}, which does not exist")


def _check_task(name: str, state: Mapping[str, Any], tasks: Mapping[str, Task]) -> None:
    match = _RESOURCE.fullmatch(state["Resource"])
    if match is None or match[1] not in tasks:
        _refuse(f"the resource {state['Resource']} of state {name}; known are {', '.join(tasks)}")


def _check_template(template: Any, name: str) -> None:
    for key, part in template.items():
        if key.endswith(".$"):
            _check_path(part, name)
        elif isinstance(part, dict):
            _check_template(part, name)
        elif isinstance(part, list):
            _refuse(f"a list in the parameters of {name}")


def _check_path(path: object, name: str) -> None:
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        _refuse(f"the path {path!r} of state {name}")


def _check_target(path: object, name: str) -> None:
    _check_path(path, name)
    if str(path).count(".") > 1 or str(path).startswith("$$"):
        _refuse(f"the ResultPath {path!r} of state {name}; only $ and $.name are")


def _only(found: Mapping[str, Any], known: set[str] | frozenset[str], where: str) -> None:
    unknown = sorted(set(found) - known)
    if unknown:
        _refuse(f"{', '.join(unknown)} in {where}")


def _refuse(what: str) -> None:
    message = f"the state machine uses what is not understood here: {what}"
    raise ParameterError(message)
