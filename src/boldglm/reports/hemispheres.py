"""One section for both hemispheres: what they share once, what differs for each."""

from collections.abc import Hashable, Sequence
from dataclasses import replace

from boldglm.notices import Notice
from boldglm.reports.content import ContrastResult, Fact, Figure, Section, Table, Topic

SIDES = {"L": "left hemisphere", "R": "right hemisphere"}
Sided = tuple[str, Section]  # label of the hemisphere, and its section


def join_hemispheres(
    sections: Sequence[tuple[tuple[Hashable, str], Section]],
) -> list[Section]:
    """Put the sections of the two hemispheres of a result together.

    Parameters
    ----------
    sections : sequence of ((key, hemisphere), Section)
        Sections of one key belong together; the hemisphere is ``"L"``, ``"R"`` or empty.

    Returns
    -------
    list of Section
        In the order in which the keys first occur; left before right.
    """
    together: dict[Hashable, list[Sided]] = {}
    for (key, side), section in sections:
        together.setdefault(key, []).append((side, section))
    return [_joined(sorted(parts, key=lambda one: one[0])) for parts in together.values()]


def _joined(parts: Sequence[Sided]) -> Section:
    first = parts[0][1]
    if len(parts) == 1:
        return first
    names = list(dict.fromkeys(one.name for _, section in parts for one in section.contrasts))
    return replace(
        first,
        facts=_facts(parts),
        notices=_notices(parts),
        figures=_figures(parts),
        tables=_tables(parts),
        topics=_topics(parts),
        contrasts=tuple(_contrast(name, parts) for name in names),
        is_open=any(section.is_open for _, section in parts),
    )


def _facts(parts: Sequence[Sided]) -> tuple[Fact, ...]:
    """Say once what holds for both, and else of which it holds."""
    every: dict[Fact, list[str]] = {}
    for label in dict.fromkeys(label for _, section in parts for label, _ in section.facts):
        for side, section in parts:
            for fact in section.facts:
                if fact[0] == label:
                    every.setdefault(fact, []).append(side)
    return tuple(
        fact if len(sides) == len(parts) else (f"{fact[0]}, {SIDES.get(sides[0], '')}", fact[1])
        for fact, sides in every.items()
    )


def _notices(parts: Sequence[Sided]) -> tuple[Notice, ...]:
    every: dict[Notice, list[str]] = {}
    for side, section in parts:
        for notice in section.notices:
            every.setdefault(notice, []).append(side)
    return tuple(
        notice if len(sides) == len(parts) else notice.about(SIDES.get(sides[0], ""))
        for notice, sides in every.items()
    )


def _figures(parts: Sequence[Sided]) -> tuple[Figure, ...]:
    """Keep pictures once that are the same to the byte, as those of the one design are."""
    kept: dict[bytes, Figure] = {}
    for side, section in parts:
        for figure in section.figures:
            caption = figure.caption
            if SIDES.get(side, "") not in caption:
                caption = f"{caption} ({SIDES[side].capitalize()}.)"
            is_shared = all(_has(figure, other) for _, other in parts)
            kept.setdefault(
                figure.path.read_bytes(), figure if is_shared else replace(figure, caption=caption)
            )
    return tuple(kept.values())


def _has(figure: Figure, section: Section) -> bool:
    content = figure.path.read_bytes()
    return any(content == one.path.read_bytes() for one in section.figures)


def _tables(parts: Sequence[Sided]) -> tuple[Table, ...]:
    every: dict[Table, list[str]] = {}
    for side, section in parts:
        for table in section.tables:
            every.setdefault(table, []).append(side)
    return tuple(
        table
        if len(sides) == len(parts)
        else replace(table, caption=f"{SIDES.get(sides[0], '').capitalize()}. {table.caption}")
        for table, sides in every.items()
    )


def _topics(parts: Sequence[Sided]) -> tuple[Topic, ...]:
    """Put topics of the same title together; each says once what holds for both sides."""
    by_title: dict[str, list[tuple[str, Topic, Section]]] = {}
    for side, section in parts:
        for topic in section.topics:
            by_title.setdefault(topic.title, []).append((side, topic, section))
    joined = []
    for title, found in by_title.items():
        own = [
            (side, replace(section, figures=topic.figures, tables=topic.tables))
            for side, topic, section in found
        ]
        paragraphs = [text for _, topic, _ in found for text in topic.paragraphs]
        joined.append(Topic(title, tuple(dict.fromkeys(paragraphs)), _figures(own), _tables(own)))
    return tuple(joined)


def _contrast(name: str, parts: Sequence[Sided]) -> ContrastResult:
    found = [
        (SIDES.get(side, ""), one)
        for side, section in parts
        for one in section.contrasts
        if one.name == name
    ]
    first = found[0][1]
    degrees = {one.dof_text for _, one in found}
    # weights of runs name files of the hemisphere
    weights = first.weights_text
    for side in SIDES:
        weights = weights.replace(f"_hemi-{side}_", "_")
    return replace(
        first,
        weights_text=weights,
        dof_text=first.dof_text
        if len(degrees) == 1
        else "; ".join(f"{one.dof_text} ({side})" for side, one in found),
        maps=tuple(figure for _, one in found for figure in one.maps),
        peaks=tuple(table for _, one in found for table in one.peaks),
        volumes=tuple(volume for _, one in found for volume in one.volumes),
    )
