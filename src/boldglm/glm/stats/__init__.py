"""Probability distributions: p and z values of t and F statistics."""

from boldglm.glm.stats.distributions import f_to_p, f_to_z, t_to_p, t_to_p_and_z, t_to_z

__all__ = [
    "f_to_p",
    "f_to_z",
    "t_to_p",
    "t_to_p_and_z",
    "t_to_z",
]
