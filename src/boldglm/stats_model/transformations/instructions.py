"""One instruction of a model file, checked: its transformation, inputs, outputs, parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, NoReturn

from boldglm.errors import BadDataError
from boldglm.notices import Notice, warning
from boldglm.stats_model.json_paths import describes
from boldglm.stats_model.variables import Variable, Variables
from boldglm.suggestions import did_you_mean

SHARED_KEYS = ("Name", "Input", "Output", "OutputSuffix", "Description", "Comment")


class ImpliedInstruction(dict[str, Any]):
    """An instruction that a model file implies and lacks, so it has no place in the file."""


@dataclass
class Instruction:
    """An instruction whose inputs are resolved to variables of a run or of a group of inputs.

    Parameters
    ----------
    name : str
        Name of the transformation.
    path : str
        JSON path of the instruction, for messages.
    content : mapping
        The instruction as written in the model file.
    inputs : tuple of str
        Variables that Input names or matches, and that exist.
    missing_inputs : tuple of str
        Names in Input that only other runs have.
    outputs : tuple of str, optional
        Names for the results of `inputs`, if Output is given.
    listed_inputs : tuple of str
        `inputs` and `missing_inputs` together, in the order of the file.
    listed_outputs : tuple of str, optional
        Output as written in the file.
    notes : list of Notice
        What the user must know about the result.
    """

    name: str
    path: str
    content: Mapping[str, Any]
    inputs: tuple[str, ...] = ()
    missing_inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] | None = None
    listed_inputs: tuple[str, ...] = ()
    listed_outputs: tuple[str, ...] | None = None
    notes: list[Notice] = field(default_factory=list)

    def refuse(
        self, key: str, finding: str, remedy: str, error: type[BadDataError] = BadDataError
    ) -> NoReturn:
        """Raise an error that names JSON path, transformation, finding and remedy."""
        where = f"{self.path}.{key}" if key else self.path
        raise error(f"At {where} ({self.name}): {finding}. {remedy}")

    def value(self, key: str, default: Any) -> Any:
        """Return a parameter; case and underscores of its name do not matter."""
        for name, value in self.content.items():
            if normalized(name) == normalized(key):
                return value
        return default

    def number(self, key: str, default: float) -> float:
        """Return a parameter that must be a finite number."""
        value = self.value(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            self.refuse(key, f"found {value!r}", "Write a number.")
        return float(value)

    def flag(self, key: str, *, default: bool) -> bool:
        """Return a parameter that must be true or false."""
        value = self.value(key, default)
        if isinstance(value, str) and value.lower() in ("true", "false"):
            value = value.lower() == "true"  # some public models write it as text
        if not isinstance(value, bool):
            self.refuse(key, f"found {value!r}", "Write true or false.")
        return value

    def word(self, key: str, default: str, known: Sequence[str]) -> str:
        """Return a parameter that must be one of some words, in any case."""
        value = str(self.value(key, default)).lower()
        if value not in known:
            self.refuse(
                key,
                f"found {value!r}",
                f"Known values: {', '.join(known)}.{did_you_mean(value, known)}",
            )
        return value

    def existing_variables(
        self, key: str, variables: Variables, *, required: bool = True
    ) -> tuple[str, ...]:
        """Return the existing variables that a parameter other than Input names."""
        listed = self.listed_variables(key, variables, required=required)
        return tuple(name for name in listed if name in variables)

    def listed_variables(
        self, key: str, variables: Variables, *, required: bool = True
    ) -> tuple[str, ...]:
        """Return the variables that a parameter names, also those that only other runs have."""
        listed = as_list(self.value(key, []))
        if required and not listed:
            self.refuse(key, f"{key} is missing", "Add it, with the name of a variable.")
        names: list[str] = []
        for index, name in enumerate(map(str, listed)):
            matched = variables.matching(name)
            if not matched and not variables.lacks(name):
                self.refuse(f"{key}[{index}]", *unknown_variable(name, variables))
            names += matched or (name,)
        return tuple(dict.fromkeys(names))

    def output_of(self, name: str) -> str:
        """Return the name of the result of one input."""
        suffix = str(self.value("OutputSuffix", ""))
        if self.outputs is None:
            return name + suffix
        if len(self.outputs) != len(self.inputs):
            self.refuse(
                "Output",
                f"found {len(self.outputs)} names for {len(self.inputs)} inputs",
                "Write one name for each input.",
            )
        return self.outputs[self.inputs.index(name)] + suffix

    def single_output(self) -> str:
        """Return the name of the result that all inputs give together."""
        if self.outputs is None or len(self.outputs) != 1:
            self.refuse(
                "Output",
                f"found {len(self.outputs or ())} names for one result",
                "Write one name for the result.",
            )
        return self.outputs[0]

    def numeric(self, variable: Variable) -> Variable:
        """Return the variable; refuse it if it contains text."""
        if variable.is_text:
            present = [value for value in variable.values if value is not None]
            text = [value for value in present if as_number(value) is None] or present or ["n/a"]
            remedy = "Apply Factor to it first."
            if len(text) < len(present):
                remedy = "Write a number (with a decimal point) or n/a there, or apply Factor."
            self.refuse("Input", f"{variable.name!r} contains text ({text[0]!r})", remedy)
        return variable


def check_instruction(
    content: Mapping[str, Any],
    variables: Variables,
    path: str,
    known: Mapping[str, Sequence[str]],
) -> Instruction:
    """Check an instruction against the variables that exist.

    Parameters
    ----------
    content : mapping
        The instruction as written in the model file.
    variables : Variables
    path : str
        JSON path of the instruction, for messages.
    known : mapping of str to sequence of str
        Names of the transformations, and the parameters of each beside `SHARED_KEYS`.

    Returns
    -------
    Instruction

    Raises
    ------
    BadDataError
        If the transformation, a parameter or an input is unknown.
    """
    name = str(content.get("Name", ""))
    canonical = next((other for other in known if normalized(other) == normalized(name)), None)
    if canonical is None:
        raise BadDataError(
            f"At {path}.Name: the transformation {name!r} is unknown. Known transformations: "
            f"{', '.join(known)}.{did_you_mean(name, list(known))}"
        )
    instruction = Instruction(canonical, path, content)
    allowed = (*SHARED_KEYS, *known[canonical])
    for key in content:
        if normalized(key) not in [normalized(other) for other in allowed]:
            if describes(str(key)):
                continue
            instruction.refuse(
                key,
                "the parameter is unknown",
                f"Known parameters: {', '.join(allowed)}.{did_you_mean(key, allowed)}",
            )
    _resolve_inputs(instruction, variables)
    if not instruction.listed_inputs and canonical != "Constant":
        instruction.refuse("Input", "Input is empty", "Write the names of variables.")
    _assign_outputs(instruction)
    return instruction


def _resolve_inputs(instruction: Instruction, variables: Variables) -> None:
    """Sort the names in Input into existing variables and those that only other runs have."""
    inputs: list[str] = []
    missing: list[str] = []
    listed: list[str] = []
    for index, name in enumerate(map(str, as_list(instruction.value("Input", [])))):
        matched = variables.matching(name)
        listed += matched or (name,)
        if matched:
            inputs += matched
        elif variables.lacks(name):
            missing.append(name)
        elif set(name) & set("*?"):
            instruction.notes.append(
                warning(f"{instruction.name} at {instruction.path}: nothing matches {name!r}")
            )
        else:
            instruction.refuse(f"Input[{index}]", *unknown_variable(name, variables))
    instruction.inputs = tuple(dict.fromkeys(inputs))
    instruction.missing_inputs = tuple(missing)
    instruction.listed_inputs = tuple(dict.fromkeys(listed))


def _assign_outputs(instruction: Instruction) -> None:
    """Keep the outputs of the inputs that exist, where Output has a name for each input."""
    output = instruction.value("Output", None)
    if output is None:
        return
    outputs = tuple(_output_name(name, instruction) for name in as_list(output))
    instruction.listed_outputs = outputs
    listed = instruction.listed_inputs
    if instruction.missing_inputs and len(outputs) == len(listed) > 1:
        outputs = tuple(
            output_name
            for output_name, input_name in zip(outputs, listed, strict=True)
            if input_name in instruction.inputs
        )
    instruction.outputs = outputs


def _output_name(value: Any, instruction: Instruction) -> str:
    if not isinstance(value, str) or not value.strip():
        instruction.refuse("Output", f"found {value!r}", "Write a name, as text.")
    return value


def as_list(value: Any) -> list[Any]:
    """Return a list as it is, and any other value as a list with one entry."""
    return list(value) if isinstance(value, list | tuple) else [value]


def as_number(value: object) -> float | None:
    """Return a number, also one written as text, or None if the value is not a number."""
    try:
        return float(str(value))
    except ValueError:
        return None


def unknown_variable(name: str, variables: Variables) -> tuple[str, str]:
    """Return finding and remedy for a name that no variable has."""
    finding = f"there is no variable {name!r}"
    names = list(variables.names)
    column = next((one for one in names if name.startswith(f"{one}.")), None)
    if column is not None and variables[column].is_text:
        return finding, f"Apply a Factor transformation to {column!r} first, to have its levels."
    if not names:
        return finding, "The instructions before this one have removed all variables."
    listed = ", ".join(names[:30]) + (", ..." if len(names) > 30 else "")
    candidates = [*names, *sorted(variables.missing)]
    return finding, f"Variables here: {listed}.{did_you_mean(name, candidates)}"


def normalized(key: str) -> str:
    """Return a name of a transformation or parameter without case and underscores."""
    return str(key).replace("_", "").lower()
