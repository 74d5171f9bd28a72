"""What a model is made of, in labels and words."""

from boldglm.analysis.methods_text import smoothing_words
from boldglm.analysis.model.model import Model
from boldglm.glm.design.confound_names import has_cosines
from boldglm.vocabulary import TRIAL_TYPE


def model_facts(model: Model) -> list[tuple[str, str]]:
    """Return the choices of a model that shape its designs and fits, as labels and values."""
    plain = model.plain
    column = TRIAL_TYPE if plain is None else plain.column
    named = {"conditions": f"from the column {column} of the events"}
    rows = {
        **(named if column != TRIAL_TYPE else {}),
        "HRF": model.hrf_model,
        "drift": _drift(model),
        "noise model": model.noise_model,
        "effects in": unit_of_effects(model),
        "smoothing": smoothing_words(model),
    }
    rules = [
        ("orthogonalized", f"{regressor} with respect to {', '.join(references)}")
        for regressor, references in model.orthogonalize
    ]
    return [*rows.items(), *rules]


def unit_of_effects(model: Model) -> str:
    """Return the unit of the effects of contrasts, in words."""
    if model.signal_scaling == "percent":
        return "percent of the mean signal"
    return "the unit of the file"


def _drift(model: Model) -> str:
    if has_cosines(model.confounds.columns):
        return "by the cosines among the confounds"
    if model.drift.startswith("polynomial"):
        order = model.drift_order
        return (
            f"polynomials {'by the length of the run' if order is None else f'to order {order}'}"
        )
    return f"cosines above {model.high_pass:g} s" if model.has_drift else "none"
