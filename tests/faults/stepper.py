"""Runs state machines one task at a time, in whatever order a test chooses: Step Functions without a clock.

It reads the project's own ``statemachine/*.asl.json`` and knows exactly the part of the Amazon States Language
that they use (https://states-language.net/spec.html); of anything else it says so, when the file is read. An
execution rests before every task, wait and retry, until somebody takes its next step. So of several executions,
and of the workers of one Map, any may go first; and the same choices always give the same history.
"""

import json
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Literal

type Invoke = Callable[[str, str], tuple[str, bool]]
type Put = Callable[[str, str, bytes], None]
type Status = Literal["RUNNING", "SUCCEEDED", "FAILED", "ABORTED"]

_START_AND_WAIT = "arn:aws:states:::states:startExecution.sync:2"
_PUT_AND_WAIT = "arn:aws:states:::aws-sdk:s3:putObject.waitForTaskToken"

_ENDS = {"Comment", "Type", "Next", "End"}
_RESULT = {"ResultPath", "ResultSelector", "Retry", "Catch"}
# What a state of each type may say.
_FIELDS: Mapping[str, set[str]] = {
    "Task": _ENDS | _RESULT | {"Resource", "Parameters", "TimeoutSeconds", "TimeoutSecondsPath"},
    "Parallel": _ENDS | _RESULT | {"Branches"},
    "Map": _ENDS | _RESULT | {"ItemsPath", "ItemSelector", "ItemProcessor", "MaxConcurrency"},
    "Choice": {"Comment", "Type", "Choices", "Default"},
    "Pass": _ENDS | {"Result", "ResultPath", "Parameters"},
    "Wait": _ENDS | {"SecondsPath", "Seconds"},
    "Succeed": {"Comment", "Type"},
    "Fail": {"Comment", "Type", "Error", "ErrorPath", "Cause", "CausePath"},
}
_RETRY = {"ErrorEquals", "IntervalSeconds", "BackoffRate", "MaxDelaySeconds", "MaxAttempts", "JitterStrategy"}
_CATCH = {"ErrorEquals", "ResultPath", "Next"}
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "BooleanEquals": lambda found, wanted: found is wanted,
    "StringEquals": lambda found, wanted: isinstance(found, str) and found == wanted,
    "StringMatches": lambda found, wanted: isinstance(found, str) and fnmatchcase(found, wanted.replace("[", "[[]")),
    "NumericGreaterThan": lambda found, wanted: isinstance(found, int | float) and found > wanted,
    "NumericLessThan": lambda found, wanted: isinstance(found, int | float) and found < wanted,
    "IsPresent": lambda found, wanted: (found is not _ABSENT) is wanted,
}
_PATH = re.compile(r"\$\$?(\.\w+)*")
_INTRINSIC = re.compile(r"States\.(\w+)\((\$[\w.]*)\)")
_INTRINSICS: Mapping[str, Callable[[Any], Any]] = {
    "ArrayLength": len,
    "JsonToString": lambda value: json.dumps(value, separators=(",", ":")),
}
_ABSENT: Any = object()


class StateFailed(Exception):
    """A state that failed, by Step Functions' names for what and why."""

    def __init__(self, error: str, cause: str) -> None:
        self.error = error
        self.cause = cause
        super().__init__(f"{error}: {cause}")


class AlreadyStarted(Exception):
    """An execution of that name exists, and is over or has another input."""


@dataclass(frozen=True, slots=True)
class Call:
    """A function is to be called."""

    function: str
    payload: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing happens for a while."""

    seconds: float


@dataclass(slots=True)
class Nested:
    """Another execution is to be started, then waited for."""

    machine: str
    name: str
    state: Any
    arn: str = ""


@dataclass(slots=True)
class TokenWait:
    """A document with a task token is to be written; then whoever has the token, or the time, ends the wait."""

    token: str
    bucket: str
    key: str
    body: Any
    written: bool = False


@dataclass(slots=True)
class _Fork:
    """Branches that run beside each other, ``at_once`` of them; they end together."""

    branches: list["_Steps"]
    at_once: int
    results: list[Any] = field(default_factory=list)
    threads: list["_Thread"] = field(default_factory=list)
    begun: int = 0


type Pending = Call | Pause | Nested | TokenWait
type _Steps = Generator[Pending | _Fork, Any, Any]


@dataclass(slots=True)
class _Thread:
    """One line of execution, and what it rests before."""

    execution: "Execution"
    steps: _Steps
    parent: "_Thread | None" = None
    place: int = 0
    pending: Pending | _Fork | None = None
    # A worker is on it, which has not answered.
    busy: bool = False


@dataclass(slots=True)
class Execution:
    """One execution; ``states`` are those it entered, in order, and ``seen`` all that passed between them, as JSON."""

    arn: str
    machine: str
    state: str
    status: Status = "RUNNING"
    output: Any = None
    error: str = ""
    cause: str = ""
    ended: datetime | None = None
    states: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    threads: list[_Thread] = field(default_factory=list, repr=False)

    @property
    def name(self) -> str:
        """The name it was started with."""
        return self.arn.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class Step:
    """What an execution could do next."""

    thread: _Thread
    pending: Pending

    @property
    def execution(self) -> Execution:
        """Whose step it is."""
        return self.thread.execution

    def __str__(self) -> str:
        """Workflow, execution and step."""
        what = self.pending.function if isinstance(self.pending, Call) else type(self.pending).__name__
        return f"{self.execution.machine}:{self.execution.name} {what}"


class Stepper:
    """The executions of some state machines.

    ``machines`` are definitions by ARN, ``invoke`` calls a function (its ARN, a payload) and says what it answered
    and whether that is an error; ``put`` writes an object for a state that does so by itself.
    """

    def __init__(self, machines: Mapping[str, Any], invoke: Invoke, put: Put) -> None:
        for machine in machines.values():
            _refuse_unknown(machine)
        self._machines = machines
        self._invoke = invoke
        self._put = put
        self._tokens = 0
        self.executions: dict[str, Execution] = {}

    def start(self, machine: str, name: str, state: str) -> Execution:
        """Start an execution; one that runs already with this input is that one. Raises AlreadyStarted."""
        arn = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
        known = self.executions.get(arn)
        if known is not None:
            if known.status == "RUNNING" and json.loads(known.state) == json.loads(state):
                return known
            raise AlreadyStarted(arn)
        execution = Execution(arn, machine.rpartition(":")[2], state)
        self.executions[arn] = execution
        root = _Thread(execution, self._states(execution, self._machines[machine], json.loads(state), {}))
        execution.threads.append(root)
        self._advance(root, None)
        return execution

    def stop(self, arn: str) -> None:
        """Stop an execution, as StopExecution does: whatever it rests before is not done. One that is over stays so."""
        execution = self.executions[arn]
        if execution.status == "RUNNING":
            _end(execution, "ABORTED")

    def ready(self) -> list[Step]:
        """What can be done next, by any execution, in the order in which they were started."""
        return [
            Step(thread, thread.pending)
            for execution in self.executions.values()
            for thread in execution.threads
            if thread.pending is not None and not isinstance(thread.pending, _Fork) and self._is_ready(thread)
        ]

    def take(self, step: Step) -> None:
        """Take a step: call, start, look after or wait, and go on to the next rest."""
        answer = self.ask(step)
        if answer is not None:
            self.answer(step, answer)

    def ask(self, step: Step) -> tuple[str, bool] | None:
        """Do what a step asks for, and say what came of it without telling the execution; None: nothing yet."""
        match step.pending:
            case Call(function, payload):
                step.execution.seen.append(payload)
                return self._invoke(function, payload)
            case Pause():
                return "{}", False
            case Nested():
                return self._look_after(step.pending)
            case TokenWait():
                return self._wait(step.pending)

    def answer(self, step: Step, answer: tuple[str, bool]) -> None:
        """Tell an execution what came of its step; one that was stopped meanwhile does not listen."""
        if step.thread not in step.execution.threads or step.thread.pending is not step.pending:
            return
        text, failed = answer
        step.execution.seen.append(text)
        result = json.loads(text)
        if failed and isinstance(step.pending, Call):
            self._fail(step.thread, StateFailed(result["errorType"], text))
        elif failed:
            self._fail(step.thread, StateFailed(result["Error"], result["Cause"]))
        else:
            self._advance(step.thread, result)

    def nested(self, arn: str) -> list[Execution]:
        """The executions that this one waits for."""
        pending = [thread.pending for thread in self.executions[arn].threads]
        return [self.executions[one.arn] for one in pending if isinstance(one, Nested) and one.arn]

    def give_back(self, token: str) -> bool:
        """End the wait of whoever has this token; False when nobody waits."""
        threads = [thread for execution in self.executions.values() for thread in execution.threads]
        waiting = next((t for t in threads if isinstance(t.pending, TokenWait) and t.pending.token == token), None)
        if waiting is not None:
            self._advance(waiting, {})
        return waiting is not None

    # A step's own doing

    def _is_ready(self, thread: _Thread) -> bool:
        nested = thread.pending
        if isinstance(nested, Nested) and nested.arn:
            return self.executions[nested.arn].status != "RUNNING"
        return not thread.busy

    def _look_after(self, nested: Nested) -> tuple[str, bool] | None:
        if not nested.arn:
            try:
                nested.arn = self.start(nested.machine, nested.name, json.dumps(nested.state)).arn
            except AlreadyStarted as error:
                return _failure("StepFunctions.ExecutionAlreadyExistsException", str(error)), True
            return None
        child = self.executions[nested.arn]
        told = {"ExecutionArn": child.arn, "Name": child.name, "Status": child.status}
        if child.status == "SUCCEEDED":
            return json.dumps(told | {"Output": child.output}), False
        told |= {"Error": child.error, "Cause": child.cause} if child.error else {}
        return _failure("States.TaskFailed", json.dumps(told)), True

    def _wait(self, wait: TokenWait) -> tuple[str, bool] | None:
        if not wait.written:
            self._put(wait.bucket, wait.key, json.dumps(wait.body).encode())
            wait.written = True
            return None
        return _failure("States.Timeout", ""), True

    # Going on from rest to rest

    def _advance(self, thread: _Thread, result: Any) -> None:
        self._go_on(thread, lambda: thread.steps.send(result))

    def _fail(self, thread: _Thread, failure: StateFailed) -> None:
        self._go_on(thread, lambda: thread.steps.throw(failure))

    def _go_on(self, thread: _Thread, resume: Callable[[], Pending | _Fork]) -> None:
        thread.pending, thread.busy = None, False
        try:
            thread.pending = resume()
        except StopIteration as end:
            self._ended(thread, end.value)
        except StateFailed as failure:
            self._failed(thread, failure)
        else:
            if isinstance(thread.pending, _Fork):
                self._branch_off(thread, thread.pending)

    def _branch_off(self, thread: _Thread, fork: _Fork) -> None:
        if not fork.branches:
            self._advance(thread, [])
            return
        fork.results = [None] * len(fork.branches)
        for _ in range(min(fork.at_once, len(fork.branches))):
            if thread.pending is fork:  # else a branch failed at once
                self._begin_branch(thread, fork)

    def _begin_branch(self, parent: _Thread, fork: _Fork) -> None:
        branch = _Thread(parent.execution, fork.branches[fork.begun], parent, fork.begun)
        fork.begun += 1
        fork.threads.append(branch)
        parent.execution.threads.append(branch)
        self._advance(branch, None)

    def _ended(self, thread: _Thread, output: Any) -> None:
        thread.execution.seen.append(json.dumps(output))
        thread.execution.threads.remove(thread)
        if thread.parent is None:
            thread.execution.output = output
            _end(thread.execution, "SUCCEEDED")
            return
        fork = thread.parent.pending
        assert isinstance(fork, _Fork)
        fork.results[thread.place] = output
        fork.threads.remove(thread)
        if fork.begun < len(fork.branches):
            self._begin_branch(thread.parent, fork)
        elif not fork.threads:
            self._advance(thread.parent, fork.results)

    def _failed(self, thread: _Thread, failure: StateFailed) -> None:
        thread.execution.threads.remove(thread)
        if thread.parent is None:
            thread.execution.error, thread.execution.cause = failure.error, failure.cause
            _end(thread.execution, "FAILED")
            return
        fork = thread.parent.pending
        assert isinstance(fork, _Fork)
        fork.threads.remove(thread)
        for other in fork.threads:
            _cut_off(other)
        self._fail(thread.parent, failure)

    # The language

    def _states(self, execution: Execution, machine: Any, data: Any, context: Mapping[str, Any]) -> _Steps:
        """Enter state after state, from the first to an end; gives the output."""
        name = machine["StartAt"]
        while True:
            state = machine["States"][name]
            execution.states.append(name)
            frame = _Frame(execution, data, context)
            try:
                output = yield from self._state(frame, state)
            except StateFailed as failure:
                catcher = _matching(state.get("Catch", []), failure)
                if catcher is None:
                    raise
                caught = {"Error": failure.error, "Cause": failure.cause}
                data, name = _placed(data, catcher.get("ResultPath", "$"), caught), catcher["Next"]
                continue
            if state["Type"] == "Choice":
                name = output
                continue
            data = output
            if state["Type"] == "Succeed" or state.get("End"):
                return data
            name = state["Next"]

    def _state(self, frame: "_Frame", state: Any) -> _Steps:
        match state["Type"]:
            case "Choice":
                return frame.chosen(state)
            case "Pass":
                given = frame.filled(state["Parameters"]) if "Parameters" in state else frame.data
                return _placed(frame.data, state.get("ResultPath", "$"), state.get("Result", given))
            case "Wait":
                yield Pause(state.get("Seconds") or frame.at(state["SecondsPath"]))
                return frame.data
            case "Succeed":
                return frame.data
            case "Fail":
                raise StateFailed(frame.said(state, "Error"), frame.said(state, "Cause"))
        result = yield from self._tried(frame, state)
        if "ResultSelector" in state:
            result = _Frame(frame.execution, result, frame.context).filled(state["ResultSelector"])
        return _placed(frame.data, state.get("ResultPath", "$"), result)

    def _tried(self, frame: "_Frame", state: Any) -> _Steps:
        """The work of a state, again and again as its Retry says."""
        tries: dict[int, int] = {}
        while True:
            try:
                return (yield self._work(frame, state))
            except StateFailed as failure:
                retrier = _matching(state.get("Retry", []), failure)
                if retrier is None or tries.get(id(retrier), 0) >= retrier.get("MaxAttempts", 3):
                    raise
                tries[id(retrier)] = tries.get(id(retrier), 0) + 1

    def _work(self, frame: "_Frame", state: Any) -> Pending | _Fork:
        if state["Type"] == "Task":
            return self._task(frame, state)
        if state["Type"] == "Parallel":
            branches = [self._states(frame.execution, one, frame.data, frame.context) for one in state["Branches"]]
            return _Fork(branches, len(branches))
        items = frame.at(state["ItemsPath"])
        return _Fork([self._item(frame, state, item) for item in items], state.get("MaxConcurrency") or 40)

    def _item(self, frame: "_Frame", state: Any, item: Any) -> _Steps:
        context = {**frame.context, "Map": {"Item": {"Value": item}}}
        selector = state.get("ItemSelector")
        data = item if selector is None else _Frame(frame.execution, frame.data, context).filled(selector)
        return self._states(frame.execution, state["ItemProcessor"], data, context)

    def _task(self, frame: "_Frame", state: Any) -> Pending:
        self._tokens += 1
        frame = _Frame(frame.execution, frame.data, {**frame.context, "Task": {"Token": f"token-{self._tokens}"}})
        given = frame.filled(state["Parameters"]) if "Parameters" in state else frame.data
        if state["Resource"] == _START_AND_WAIT:
            return Nested(given["StateMachineArn"], given["Name"], given["Input"])
        if state["Resource"] == _PUT_AND_WAIT:
            return TokenWait(frame.context["Task"]["Token"], given["Bucket"], given["Key"], given["Body"])
        return Call(state["Resource"], json.dumps(given))


@dataclass(frozen=True, slots=True)
class _Frame:
    """What a state sees: its input, and the context object."""

    execution: Execution
    data: Any
    context: Mapping[str, Any]

    def at(self, path: str) -> Any:
        """What a path or an intrinsic function stands for. Raises StateFailed when there is nothing."""
        found = self._found(path)
        if found is _ABSENT:
            raise StateFailed("States.Runtime", f"nothing at {path}")
        return found

    def _found(self, path: str) -> Any:
        called = _INTRINSIC.fullmatch(path)
        if called:
            return _INTRINSICS[called[1]](self.at(called[2]))
        own = {"Execution": {"Id": self.execution.arn, "Name": self.execution.name}}
        found: Any = {**self.context, **own} if path.startswith("$$") else self.data
        for name in path.split(".")[1:]:
            found = found.get(name, _ABSENT) if isinstance(found, dict) else _ABSENT
        return found

    def filled(self, template: Any) -> Any:
        """A payload template with its paths resolved."""
        if not isinstance(template, dict):
            return template
        return {
            name.removesuffix(".$"): self.at(value) if name.endswith(".$") else self.filled(value)
            for name, value in template.items()
        }

    def chosen(self, state: Any) -> str:
        """The state that a Choice leads to."""
        for rule in state["Choices"]:
            if all(self._holds(one) for one in comparisons_of(rule)):
                return str(rule["Next"])
        return str(state["Default"])

    def said(self, state: Any, name: str) -> Any:
        """What a Fail says: as it stands there, or at its path."""
        return state[name] if name in state else self.at(state[f"{name}Path"])

    def _holds(self, comparison: Mapping[str, Any]) -> bool:
        (kind,) = comparison.keys() - {"Variable", "Next"}
        return _COMPARISONS[kind](self._found(comparison["Variable"]), comparison[kind])


def comparisons_of(rule: Any) -> list[Any]:
    """What must hold for a rule of a Choice: one comparison, or all of its And."""
    return list(rule.get("And", [rule]))


def _matching(rules: list[Any], failure: StateFailed) -> Any:
    """The first Retry or Catch that names the failure. Timeouts are failures of a task, except to TaskFailed."""
    for rule in rules:
        named = set(rule["ErrorEquals"])
        task_failed = "States.TaskFailed" in named and failure.error != "States.Timeout"
        if failure.error in named or "States.ALL" in named or task_failed:
            return rule
    return None


def _placed(data: Any, path: str | None, result: Any) -> Any:
    """A state's input with its result where ``ResultPath`` says."""
    if path is None:
        return data
    if path == "$":
        return result
    name, *deeper = path.split(".")[1:]
    return {**data, name: _placed(data.get(name, {}), ".".join(["$", *deeper]), result)}


def _end(execution: Execution, status: Status) -> None:
    execution.status = status
    execution.ended = datetime.now(UTC)
    for thread in list(execution.threads):
        _cut_off(thread)


def _cut_off(thread: _Thread) -> None:
    """End a thread, and whatever it branched into."""
    if thread in thread.execution.threads:
        thread.execution.threads.remove(thread)
    if isinstance(thread.pending, _Fork):
        for branch in thread.pending.threads:
            _cut_off(branch)
    thread.steps.close()


def _failure(error: str, cause: str) -> str:
    return json.dumps({"Error": error, "Cause": cause})


# What is not known is refused when a state machine is read.


def states_of(machine: Any) -> Iterator[tuple[str, Any]]:
    """Every state of a machine, also those within others."""
    for name, state in machine["States"].items():
        yield name, state
        for inner in [*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])]:
            yield from states_of(inner)


def _refuse_unknown(machine: Any) -> None:
    for name, state in states_of(machine):
        unknown = [*_unknown_fields(state), *_unknown_texts(state)]
        if unknown:
            raise NotImplementedError(f"the stepper does not know {', '.join(unknown)} of the state {name}")


def _unknown_fields(state: Any) -> Iterator[str]:
    yield from state.keys() - _FIELDS.get(state["Type"], set())
    for rule in state.get("Retry", []):
        yield from rule.keys() - _RETRY
    for rule in state.get("Catch", []):
        yield from rule.keys() - _CATCH
    for rule in state.get("Choices", []):
        yield from (
            name for one in comparisons_of(rule) for name in one.keys() - {"Variable", "Next"} - _COMPARISONS.keys()
        )
    resource = str(state.get("Resource", ""))
    if resource.startswith("arn:aws:states:::") and resource not in {_START_AND_WAIT, _PUT_AND_WAIT}:
        yield resource
    if state.get("ItemProcessor", {}).get("ProcessorConfig", {"Mode": "INLINE"}) != {"Mode": "INLINE"}:
        yield "a Map that is not inline"


def _unknown_texts(state: Any) -> Iterator[str]:
    """Paths and intrinsic functions in a form that is not read here."""
    texts = [text for name in ("Parameters", "ItemSelector", "ResultSelector") for text in _paths(state.get(name))]
    texts += [state[name] for name in ("ItemsPath", "SecondsPath", "ErrorPath", "CausePath") if name in state]
    for text in texts:
        called = _INTRINSIC.fullmatch(text)
        if not _PATH.fullmatch(text) and (called is None or called[1] not in _INTRINSICS):
            yield text


def _paths(template: Any) -> Iterator[str]:
    for name, value in template.items() if isinstance(template, dict) else ():
        if name.endswith(".$"):
            yield value
        else:
            yield from _paths(value)
