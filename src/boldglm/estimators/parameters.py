"""Parameters of an estimator as scikit-learn expects them, without depending on scikit-learn."""

import inspect
from typing import Any, Self

from boldglm.suggestions import list_known


class NotFittedError(ValueError, AttributeError):
    """An estimator was asked for results before `fit`."""


class Parameters:
    """Reads and sets the arguments of ``__init__``, which are stored unchanged.

    Together with a ``fit`` that returns the estimator, this is all that `sklearn.base.clone` and
    scikit-learn's tools for parameters need.
    """

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002
        """Return the parameters by name.

        Parameters
        ----------
        deep : bool
            Accepted for scikit-learn; no parameter is an estimator.

        Returns
        -------
        dict of str to object
            What ``__init__`` was given.
        """
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Self:
        """Change parameters by name; call `fit` again afterwards.

        Parameters
        ----------
        **params
            New values.

        Returns
        -------
        The estimator itself.

        Raises
        ------
        ValueError
            If there is no parameter of that name.
        """
        for name, value in params.items():
            if name not in self._names():
                raise ValueError(
                    f"{type(self).__name__} has no parameter {name!r}."
                    f"{list_known(name, self._names())}"
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if value is not defaults[name].default and value != defaults[name].default
        ]
        return f"{type(self).__name__}({', '.join(changed)})"
