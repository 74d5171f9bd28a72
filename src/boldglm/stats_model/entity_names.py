"""Names of BIDS entities: the long one of models, the short one of file names, and others."""

# Long names, as in GroupBy and Filter, and keys in file names.
ENTITY_KEYS = {
    "subject": "sub",
    "session": "ses",
    "acquisition": "acq",
    "ceagent": "ce",
    "reconstruction": "rec",
    "direction": "dir",
    "resolution": "res",
    "density": "den",
    **{key: key for key in ("task", "run", "echo", "space", "cohort", "hemi")},
}
# Names that select series in Input, beside those of ENTITY_KEYS.
SERIES_KEYS = {
    "description": "desc",
    **{key: key for key in ("suffix", "datatype", "extension", "part")},
}
_OTHER_NAMES = {
    "contrast_agent": "ceagent",
    "contrastagent": "ceagent",
    "hemisphere": "hemi",
    "participant": "subject",
    "participant_id": "subject",
    "session_id": "session",
    "phase_encoding_direction": "direction",
}


def entity_name(name: str) -> str:
    """Return the long name of an entity; names of something else are returned as they are.

    Examples
    --------
    >>> [entity_name(name) for name in ("acq", "Session", "desc", "task", "age")]
    ['acquisition', 'session', 'description', 'task', 'age']
    """
    known = {**ENTITY_KEYS, **SERIES_KEYS}
    long_names = {short: long for long, short in known.items()}
    word = name.strip().lower()
    word = word if word in known else long_names.get(word, _OTHER_NAMES.get(word, word))
    return word if word in known else name
