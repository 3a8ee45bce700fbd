"""Who does the jobs: threads of this process, or whatever a `concurrent.futures` executor stands for."""

from __future__ import annotations

import os
import pickle
import tempfile
import warnings
from collections import deque
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import ParameterError, counted
from stockstream.research.jobs import Answer, Job, Package, Work, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

#: Times that a job is given to others after its worker died, before it is done here.
RETRIES: Final = 3

#: Jobs under way in an executor whose size is not known: enough for a small cluster, each a fraction of a second.
REMOTE_WINDOW: Final = 64

#: Packages that a worker process holds.
HELD: Final = 2

#: Threads of a sweep that is over, and how many there are: they wait for the next one, because starting and joining two
#: takes as long as hundreds of runs.
RESTING: Final[list[tuple[int, ThreadPoolExecutor]]] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=RESTING.clear)

type Hands = Executor | Callable[[], Executor]


@dataclass(frozen=True)
class Reference:
    """Where a worker process finds the package of a sweep: in its memory, else in a file, else in the job itself."""

    path: str
    content: bytes = b""

    def package(self) -> Package | None:
        """Return the package, None where it cannot be reached."""
        return held(self.path) if not self.content else _loaded(self.content)


@lru_cache(maxsize=HELD)
def held(path: str) -> Package | None:
    """Read a package once in each process."""
    try:
        content = Path(path).read_bytes()
    except OSError:
        return None
    return _loaded(content)


@lru_cache(maxsize=HELD)
def _loaded(content: bytes) -> Package:
    package = pickle.loads(content)  # written by the process that sent the job
    if not isinstance(package, Package):
        message = f"expected the package of a sweep; found {type(package).__name__}"
        raise TypeError(message)
    return package


def answer_away(source: Reference | Package, work: Work) -> Answer | None:
    """Do the work in another process; None: the package is not to be had there, send it along."""
    package = source if isinstance(source, Package) else source.package()
    return None if package is None else answer(work, package)


@dataclass(eq=False)
class Crew:
    """Does jobs until none is left, whoever dies on the way.

    Attributes
    ----------
    package
        What all jobs share.
    workers
        Threads, of this process.
    given
        The user's executor or the function that makes one; None for threads.
    remote
        Jobs leave this process.
    """

    package: Package
    workers: int
    given: Hands | None
    remote: bool = False
    _threads: ThreadPoolExecutor | None = None
    _executor: Executor | None = None
    _source: Any = None
    _spool: tempfile.TemporaryDirectory[str] | None = None
    _own: list[Executor] = field(default_factory=list)
    _content: bytes = b""
    _broken: int = 0
    _idle: bool = False

    def __enter__(self) -> Crew:
        if self.given is None:
            self._here()
            return self
        self._executor = self._made()
        self.remote = not isinstance(self._executor, ThreadPoolExecutor)
        if self.remote:
            self._source = self._shipped()
        return self

    def __exit__(self, *error: object) -> None:
        if self._threads is not None and self._idle and not RESTING:
            RESTING.append((self.workers, self._threads))
        elif self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)
        for pool in self._own:
            pool.shutdown(wait=True, cancel_futures=True)
        if self._spool is not None:
            self._spool.cleanup()

    @property
    def window(self) -> int:
        """Jobs under way at once."""
        return REMOTE_WINDOW if self.remote else 2 * self.workers

    def run(self, jobs: Iterator[Job | None], done: Callable[[Job, Answer], None]) -> bool:
        """Do all jobs; False when Ctrl-C ended it, with everything that was done handed to `done`.

        A None among the jobs: no more until one of those under way is done.
        """
        waiting: dict[Future[Any], tuple[Job, Executor | None]] = {}
        again: deque[Job] = deque()
        try:
            while True:
                while len(waiting) < self.window:
                    job = again.popleft() if again else next(jobs, None)
                    if job is None:
                        break
                    future = self._submit(job)
                    waiting[future] = job, self._executor
                if not waiting:
                    self._idle = True
                    return True
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    job, executor = waiting.pop(future)
                    found = self._answer(job, future, executor)
                    if found is None:
                        again.append(job)
                    else:
                        done(job, found)
        except KeyboardInterrupt:
            self._leave(waiting, done)
            return False

    def aside[T](self, call: Callable[[], T]) -> Callable[[], T]:
        """Begin a call that nothing waits for yet, in a thread that has nothing to do; return what gives its answer."""
        if self._threads is None:
            return call
        begun = self._threads.submit(call)
        return lambda: call() if begun.cancelled() else begun.result()

    def together(self, calls: Sequence[Callable[[], None]]) -> None:
        """Make some calls at once, the first of them in this thread."""
        others = [self._here().submit(call) for call in calls[1:]]
        for call in calls[:1]:
            call()
        for other in others:
            other.result()

    def _leave(self, waiting: Mapping[Future[Any], tuple[Job, Any]], done: Callable[[Job, Answer], None]) -> None:
        """Take what is finished and let go of the rest."""
        for future, (job, _) in waiting.items():
            if not future.cancel() and future.done() and future.exception() is None and future.result() is not None:
                done(job, future.result())

    def _submit(self, job: Job) -> Future[Any]:
        if not self.remote or self._executor is None or job.lost > RETRIES:
            if self._executor is not None and not self.remote:
                return self._executor.submit(answer, job.work, self.package)
            return self._here().submit(answer, job.work, self.package)
        source = Reference("", self._content) if job.carries else self._source
        try:
            return self._executor.submit(answer_away, source, job.work)
        except BrokenExecutor as error:
            self._replace(error)
            return self._submit(job)

    def _here(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = _rested(self.workers) or _started(self.workers)
        return self._threads

    def _answer(self, job: Job, future: Future[Any], executor: Executor | None) -> Answer | None:
        """Return what a job found; None when it has to be done again."""
        try:
            found: Answer | None = future.result()
        except (
            Exception,
            CancelledError,
        ) as error:  # a worker died, or the way to it; rules answer with `Answer.error`
            if not self.remote:
                raise
            if isinstance(error, BrokenExecutor) and executor is self._executor:
                self._replace(error)
            job.lost += not isinstance(error, BrokenExecutor)  # a broken pool takes innocent jobs with it
            if job.lost > RETRIES:
                times = counted(job.lost, "time")
                message = f"a job was lost {times} ({type(error).__name__}: {error}); it is done here instead"
                warnings.warn(message, stacklevel=2)
            return None
        job.carries = found is None
        return found

    # ---- executors -------------------------------------------------------------------------------------------

    def _made(self) -> Executor:
        made = self.given if isinstance(self.given, Executor) or not callable(self.given) else self.given()
        if not callable(getattr(made, "submit", None)):
            message = (
                f"expected executor= an executor of concurrent.futures, or a function that makes one; found {made!r}"
            )
            raise ParameterError(message)
        if made is not self.given:
            self._own.append(made)  # type: ignore[arg-type]
        return made  # type: ignore[return-value]

    def _replace(self, error: BrokenExecutor) -> None:
        """Go on after a pool broke: with a new one where there is a way to make one, else here."""
        self._broken += 1
        if callable(self.given) and not isinstance(self.given, Executor) and self._broken <= RETRIES:
            self._executor = self._made()
            return
        self._executor = None
        message = (
            f"the executor broke ({error}); what is left is done in this process. Pass a function that makes an "
            "executor to have it replaced."
        )
        warnings.warn(message, stacklevel=2)

    def _shipped(self) -> Any:
        """Put the package where workers find it; a Dask cluster carries it to its workers itself."""
        client = getattr(self._executor, "_client", None)
        if client is not None and hasattr(client, "scatter"):
            return client.scatter(self.package, broadcast=True, hash=False)
        try:
            self._content = pickle.dumps(self.package, protocol=pickle.HIGHEST_PROTOCOL)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            message = (
                f"the sweep cannot be sent to other processes ({error}): define strategies and reductions at the top "
                "of a module, or use threads"
            )
            raise ParameterError(message) from error
        self._spool = tempfile.TemporaryDirectory(prefix="stockstream-")
        path = Path(self._spool.name) / "package"
        path.write_bytes(self._content)
        return Reference(str(path))


def _rested(workers: int) -> ThreadPoolExecutor | None:
    """Return the threads that rest, where there are as many as are wanted."""
    try:
        count, pool = RESTING.pop()
    except IndexError:
        return None
    if count == workers:
        return pool
    pool.shutdown(wait=False)
    return None


def _started(workers: int) -> ThreadPoolExecutor:
    """Start all threads at once, before there is work.

    One that starts while another runs a job can wait for its processor until that job is done: measured, 4 ms of a call
    of 20.
    """
    pool = ThreadPoolExecutor(workers)
    met = Barrier(workers, timeout=1.0)  # a machine that refuses a thread leaves the others in peace
    for _ in range(workers):
        pool.submit(met.wait)
    return pool


@dataclass(eq=False)
class Alone(Crew):
    """Does jobs one by one in the calling thread: for work that takes less time than starting threads."""

    def __enter__(self) -> Alone:
        return self

    def run(self, jobs: Iterator[Job | None], done: Callable[[Job, Answer], None]) -> bool:
        """Do all jobs."""
        for job in jobs:
            if job is not None:
                done(job, answer(job.work, self.package))
        return True

    def together(self, calls: Sequence[Callable[[], None]]) -> None:
        """Make some calls one after the other."""
        for call in calls:
            call()


def threads(workers: int | None) -> int:
    """Return how many threads to use."""
    if workers is None:
        return os.cpu_count() or 1
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        message = f"expected workers to be a whole number of at least 1, or None; found {workers!r}"
        raise ParameterError(message)
    return workers
