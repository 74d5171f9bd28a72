"""One instruction, checked: its inputs as names, its outputs, its parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, NoReturn

from boldglm.errors import BadDataError
from boldglm.notices import Notice, warning
from boldglm.stats_model.variables import Variable, Variables
from boldglm.suggestions import did_you_mean

SHARED_KEYS = ("Name", "Input", "Output", "OutputSuffix", "Description", "Comment")


@dataclass
class Instruction:
    """An instruction on its way through: what it asks for and what it has to say.

    `inputs` are names of variables that are there; `absent` those that only other runs have.
    """

    name: str
    path: str
    content: Mapping[str, Any]
    inputs: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    outputs: tuple[str, ...] | None = None
    listed: tuple[str, ...] = ()  # inputs and absent ones in the order of the file
    given_outputs: tuple[str, ...] | None = None  # as the file has them
    notes: list[Notice] = field(default_factory=list)

    def refuse(self, key: str, found: str, remedy: str) -> NoReturn:
        """Raise with JSON path, finding and remedy."""
        where = f"{self.path}.{key}" if key else self.path
        raise BadDataError(f"At {where} ({self.name}): {found}. {remedy}")

    def value(self, key: str, default: Any) -> Any:
        """Return a parameter, whatever the case of its name."""
        for name, value in self.content.items():
            if _plain(name) == _plain(key):
                return value
        return default

    def number(self, key: str, default: float) -> float:
        """Return a parameter that must be a number."""
        value = self.value(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            self.refuse(key, f"found {value!r}", "A number is needed.")
        return float(value)

    def flag(self, key: str, *, default: bool) -> bool:
        """Return a parameter that must be true or false."""
        value = self.value(key, default)
        if isinstance(value, str) and value.lower() in ("true", "false"):
            value = value.lower() == "true"  # as some public models write it
        if not isinstance(value, bool):
            self.refuse(key, f"found {value!r}", "true or false is needed.")
        return value

    def word(self, key: str, default: str, known: Sequence[str]) -> str:
        """Return a parameter that must be one of some words, whatever its case."""
        value = str(self.value(key, default)).lower()
        if value not in known:
            self.refuse(
                key, f"found {value!r}", f"Known: {', '.join(known)}.{did_you_mean(value, known)}"
            )
        return value

    def names(self, key: str, variables: Variables, *, required: bool = True) -> tuple[str, ...]:
        """Return the variables that another parameter than Input names, and that are there."""
        listed = self.listed_in(key, variables, required=required)
        return tuple(name for name in listed if name in variables)

    def listed_in(
        self, key: str, variables: Variables, *, required: bool = True
    ) -> tuple[str, ...]:
        """Return the variables that another parameter names, those that the run lacks too."""
        listed = as_list(self.value(key, []))
        if required and not listed:
            self.refuse(key, "it is missing", "Name a variable.")
        found: list[str] = []
        for index, one in enumerate(listed):
            matched = variables.matching(str(one))
            if not matched and not variables.lacks(str(one)):
                self.refuse(f"{key}[{index}]", *unknown(str(one), variables))
            found += matched or (str(one),)
        return tuple(dict.fromkeys(found))

    def output_of(self, name: str) -> str:
        """Return what the result for one input is called."""
        suffix = str(self.value("OutputSuffix", ""))
        if self.outputs is None:
            return name + suffix
        return self.outputs[self.inputs.index(name)] + suffix

    def one_output(self) -> str:
        """Return the name of the one result of several inputs."""
        if self.outputs is None or len(self.outputs) != 1:
            self.refuse("Output", "one name is needed", "Say what the result is called.")
        return self.outputs[0]

    def numeric(self, variable: Variable) -> Variable:
        """Return a variable that must hold numbers."""
        if variable.is_text:
            shown = next((value for value in variable.values if value is not None), "n/a")
            self.refuse(
                "Input", f"{variable.name!r} holds text ({shown!r})", "Use Factor on it first."
            )
        return variable


def check_instruction(
    content: Mapping[str, Any],
    variables: Variables,
    path: str,
    known: Mapping[str, Sequence[str]],
) -> Instruction:
    """Check an instruction against the variables that there are.

    Parameters
    ----------
    content : mapping
        As the model file has it.
    variables : Variables
    path : str
        JSON path of the instruction.
    known : mapping of str to sequence of str
        Names of the transformations, and the parameters of each beyond the shared ones.

    Raises
    ------
    BadDataError
        If transformation, parameter or input are unknown.
    """
    name = str(content.get("Name", ""))
    canonical = next((one for one in known if _plain(one) == _plain(name)), None)
    if canonical is None:
        raise BadDataError(
            f"At {path}.Name: the transformation {name!r} is unknown."
            f"{did_you_mean(name, list(known))} Known: {', '.join(known)}."
        )
    call = Instruction(canonical, path, content)
    allowed = (*SHARED_KEYS, *known[canonical])
    for key in content:
        if _plain(key) not in [_plain(one) for one in allowed]:
            call.refuse(key, "the parameter is unknown", f"Known: {', '.join(allowed)}.")
    inputs: list[str] = []
    absent: list[str] = []
    listed: list[str] = []
    for index, one in enumerate(as_list(call.value("Input", []))):
        matched = variables.matching(str(one))
        listed += matched or (str(one),)
        if matched:
            inputs += matched
        elif variables.lacks(str(one)):
            absent.append(str(one))
        elif set(str(one)) & set("*?"):
            call.notes.append(warning(f"{canonical} at {path}: nothing matches {one!r}"))
        else:
            call.refuse(f"Input[{index}]", *unknown(str(one), variables))
    output = call.value("Output", None)
    outputs = None if output is None else tuple(_output(one, call) for one in as_list(output))
    if not listed and canonical != "Constant":
        call.refuse("Input", "it is empty", "Name variables.")
    call.listed = tuple(dict.fromkeys(listed))
    call.given_outputs = outputs
    if outputs is not None and absent and len(outputs) == len(call.listed) > 1:
        outputs = tuple(
            out for out, one in zip(outputs, call.listed, strict=True) if one in inputs
        )
    call.inputs, call.absent, call.outputs = tuple(dict.fromkeys(inputs)), tuple(absent), outputs
    return call


def _output(value: Any, call: Instruction) -> str:
    if not isinstance(value, str) or not value.strip():
        call.refuse("Output", f"found {value!r}", "A name is needed, as text.")
    return value


def as_list(value: Any) -> list[Any]:
    """Return a list as it is, anything else as a list of one."""
    return list(value) if isinstance(value, list | tuple) else [value]


def as_number(value: object) -> float | None:
    """Return the number that a value is or says, if it does."""
    try:
        return float(str(value))
    except ValueError:
        return None


def unknown(name: str, variables: Variables) -> tuple[str, str]:
    """Return finding and remedy for a name that no variable has."""
    names = list(variables.names)
    if not names:
        return (
            f"there is no variable {name!r}",
            "There is none at all: the instructions left none.",
        )
    shown = ", ".join(names[:30]) + (", ..." if len(names) > 30 else "")
    candidates = [*names, *sorted(variables.missing)]
    return f"there is no variable {name!r}", f"There are {shown}.{did_you_mean(name, candidates)}"


def _plain(key: str) -> str:
    return str(key).replace("_", "").lower()
