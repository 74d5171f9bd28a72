"""Estimators: images in, images out, with scikit-learn's manners and the app's numbers."""

from boldglm.estimators.contrast_images import ContrastImages
from boldglm.estimators.first_level import FirstLevel
from boldglm.estimators.second_level import SecondLevel

__all__ = ["ContrastImages", "FirstLevel", "SecondLevel"]
