"""Docstrings of public objects have the sections of numpydoc."""

import ast
import inspect
import textwrap
from operator import attrgetter

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

import boldglm
import boldglm.interfaces
import boldglm.workflows
from boldglm import glm

# The codes: https://numpydoc.readthedocs.io/en/latest/validation.html
SUMMARY = {"GL08", "SS03"}  # a docstring, whose summary ends with a period
SECTIONS = {
    *SUMMARY,
    *("GL07", "SS05"),  # order of sections; a summary in the imperative
    *("PR01", "PR02", "PR03", "PR07"),  # each parameter, in order, with a description
    *("RT01", "YD01"),  # what is returned or yielded
}
EXPORTED = {*SECTIONS, "SA01", "EX01"}  # and See Also and Examples
PACKAGES = (boldglm, glm, boldglm.interfaces, boldglm.workflows)


def public_objects():
    """Return what the packages export, with the public members of classes, by dotted name."""
    exported = {
        f"{thing.__module__}.{thing.__name__}": thing
        for package in PACKAGES
        for thing in (getattr(package, name) for name in package.__all__)
        if callable(thing)
    }
    members = {
        f"{path}.{name}": member
        for path, thing in exported.items()
        if inspect.isclass(thing) and not is_interface(thing)
        for name, member in vars(thing).items()
        if not name.startswith("_") and (is_function(member) or is_property(member))
    }
    return exported, exported | members


def is_function(member):
    return inspect.isfunction(member) or isinstance(member, (classmethod, staticmethod))


def is_property(member):
    return isinstance(member, property) or type(member).__name__ == "cached_property"


def is_interface(thing):
    """Tell whether a class is a nipype interface, which describes its inputs by traits."""
    return hasattr(thing, "input_spec")


def required(path, member):
    if is_property(member) or is_interface(member):
        return SUMMARY
    if inspect.isclass(member) and issubclass(member, Exception):
        return SECTIONS
    if inspect.isfunction(member) and "_wf" in path:
        return SECTIONS - {"GL07"}  # Inputs and Outputs are sections of nipype workflows
    return EXPORTED if path in EXPORTED_OBJECTS and path.startswith("boldglm.glm") else SECTIONS


def raises(function):
    """Tell whether a function raises an exception itself."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return any(isinstance(node, ast.Raise) and node.exc for node in ast.walk(tree))


EXPORTED_OBJECTS, OBJECTS = public_objects()


def test_there_are_objects_to_check():
    assert len(OBJECTS) > 120
    assert {
        "boldglm.glm.first_level.fit.Fit.contrast",
        "boldglm.estimators.first_level.FirstLevel.report",
        "boldglm.interfaces.fit.FitGLM",
        "boldglm.workflows.run.init_run_wf",
    } <= OBJECTS.keys()


@pytest.mark.filterwarnings("ignore:Unknown section (Inputs|Outputs)")
@pytest.mark.parametrize("path", OBJECTS)
def test_docstrings_have_their_sections(path):
    errors = dict(validate(path)["errors"])

    assert {code: errors[code] for code in required(path, OBJECTS[path]) & errors.keys()} == {}


@pytest.mark.parametrize("path", [path for path in OBJECTS if is_function(OBJECTS[path])])
def test_exceptions_that_a_function_raises_are_documented(path):
    function = getattr(OBJECTS[path], "__func__", OBJECTS[path])

    assert "Raises\n---" in inspect.getdoc(function) or not raises(function)


def names_an_object(name, path):
    """Tell whether a name in the See Also section of an object is that of a public one."""
    scope = path.rpartition(".")[0]
    if name.startswith("boldglm."):
        return attrgetter(name.removeprefix("boldglm."))(boldglm) in OBJECTS.values()
    return f"{scope}.{name}" in OBJECTS or any(key.endswith(f".{name}") for key in OBJECTS)


@pytest.mark.filterwarnings("ignore:Unknown section (Inputs|Outputs)")
@pytest.mark.parametrize("path", OBJECTS)
def test_see_also_names_public_objects(path):
    document = NumpyDocString(inspect.getdoc(OBJECTS[path]))

    names = [name for group, _ in document["See Also"] for name, _ in group]

    assert [name for name in names if not names_an_object(name, path)] == []
