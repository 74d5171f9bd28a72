"""Changes of valid files that keep most of their structure, so that they reach deep into readers.

Every change takes its random numbers from a `random.Random`, so that a seed repeats it.
"""

import copy
import gzip
import json
import re
from random import Random
from typing import Any

import nibabel as nib

INTEGERS = (0, 1, -1, 2, 3, 5, 7, 16, 99, 127, 128, 255, 256, 348, 352, 540, 544, 32767, -32768,
            65535, 2**31 - 1, -(2**31), 2**32, 2**63 - 1, -(2**63), 10**12, 10**15)  # fmt: skip
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 348.0, 351.5, 352.0, 1e-40, 1e-8, 1e8, 1e30, 3e38,
          float("inf"), float("-inf"), float("nan"))  # fmt: skip
TEXTS = ("", " ", "0", "1", "-1", "1e999", "nan", "inf", "-inf", "NaN", "n/a", "N/A", "1,5", "1_0",
         "0x10", "٣", "9" * 20, "9" * 400, "1e-400", "5.", ".", "+", "true", "None", "\0", "\t",
         "\n", "\r", '"', "'", "\\", "/", "../x", "/etc/passwd", "*", "?", "[", "{0}", "%s", "é",
         "面孔", "\ufeff", "\u202e", "\U0001f600", "x" * 2000, "trial_type", "onset", "a - a",
         "1/0", "__import__('os')", "&a;", "<a>", "]]>", "Float32", "CIFTI_STRUCTURE_CORTEX_LEFT",
         "RowMajorOrder", "ASCII", "BigEndian", "NIFTI_TYPE_FLOAT64",
         "ExternalFileBinary")  # fmt: skip
RAW_JSON = ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 400, "-" + "9" * 20, "0.0",
            r'"\ud800"', r'"\udc00\ud800"', r'"\u0000"', "[" * 400 + "]" * 400, "[" * 20000,
            '{"a":' * 150 + "1" + "}" * 150, "1E-500", "01", "+1", "tru", "'a'", ",", "",
            '{"a": 1, "a": 2}', "/*x*/1", "[1,]")  # fmt: skip
VALUES = (None, True, False, 0, 1, -1, 0.5, 2, 1e300, 10**17, "", "a", "1", "n/a", [], {}, [[]],
          [None], {"a": 1}, [1, 2, 3], ["a"], "x" * 500, "../x", "*", 1e-300)  # fmt: skip


def of_bytes(random: Random, content: bytes, most: int | None = None) -> bytes:
    """Change a few bytes, or cut, remove, repeat or insert some; `most` is the last place."""
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        if not changed:
            return bytes(changed)
        place = random.randrange(min(len(changed), most or len(changed)))
        length = random.choice((1, 1, 2, 4, 8, 32, 300))
        what = random.randrange(8)
        if what == 0:
            changed[place] ^= 1 << random.randrange(8)
        elif what == 1:
            changed[place] = random.choice((0, 1, 127, 128, 255, random.randrange(256)))
        elif what == 2:
            del changed[place : place + length]
        elif what == 3:
            changed[place:place] = random.randbytes(length)
        elif what == 4:
            changed[place:place] = changed[place : place + length]
        elif what == 5 and random.random() < 0.4:
            del changed[place:]
        else:
            size = random.choice((2, 4, 8))
            number = random.choice(INTEGERS) % 2 ** (8 * size)
            changed[place : place + size] = number.to_bytes(size, random.choice(("little", "big")))
    return bytes(changed)


def of_gzip(random: Random, content: bytes, change: Any) -> bytes:
    """Change what a gzip file holds, or the gzip file itself."""
    what = random.random()
    if what < 0.7:
        return gzip.compress(change(gzip.decompress(content)), compresslevel=1, mtime=0)
    if what < 0.8:
        return content + random.choice((b"\0", bytes(600), b"x", random.randbytes(40)))
    if what < 0.85:
        return content + gzip.compress(random.choice((b"", b"x", bytes(9000))), mtime=0)
    if what < 0.9:
        whole = gzip.decompress(content)
        cut = random.randrange(len(whole))
        return gzip.compress(whole[:cut], mtime=0) + gzip.compress(whole[cut:], mtime=0)
    if what < 0.95:  # the checksum and the length at the end
        return content[:-8] + of_bytes(random, content[-8:])
    return of_bytes(random, content)


def of_nifti(random: Random, content: bytes) -> bytes:
    """Set fields of the header to unusual numbers, or change bytes."""
    if random.random() < 0.2:
        return of_bytes(random, content, random.choice((4, 352, 600, None)))
    is_nifti2 = content[:4] in (b"\x1c\x02\0\0", b"\0\0\x02\x1c")
    kind = nib.nifti2.header_dtype if is_nifti2 else nib.nifti1.header_dtype
    order = "<" if content[1 if is_nifti2 else 0] in (2, 92) and content[3] == 0 else ">"
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 4))):
        name = random.choice(kind.names)
        field, start = kind.fields[name][:2]
        base, shape = field.subdtype or (field, ())
        width = base.itemsize
        if shape:
            start += random.randrange(shape[0]) * width
        if base.kind == "S":
            value = random.choice((b"", b"n+1\0", b"ni1\0", b"n+2\0", random.randbytes(width)))
            changed[start : start + width] = value[:width].ljust(width, b"\0")
        elif base.kind == "f":
            changed[start : start + width] = _float_bytes(random, base.newbyteorder(order))
        else:
            number = random.choice((*INTEGERS, random.randrange(20))) % 2 ** (8 * width)
            byte_order = "little" if order == "<" else "big"
            changed[start : start + width] = number.to_bytes(width, byte_order)
    return bytes(changed)


def _float_bytes(random: Random, dtype: Any) -> bytes:
    import numpy as np

    value = random.choice((*FLOATS, random.uniform(-400, 400), float(random.randrange(800))))
    with np.errstate(all="ignore"):
        return np.array(value, dtype).tobytes()


def of_xml(random: Random, content: bytes) -> bytes:
    """Change an attribute, a text, an element or the prolog of XML."""
    what = random.random()
    if what < 0.15:
        return of_bytes(random, content)
    if what < 0.2:
        prolog = random.choice(
            (b'<!DOCTYPE GIFTI [<!ENTITY a "b"><!ENTITY c "&a;&a;&a;">]>',
             b'<!DOCTYPE GIFTI [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
             b'<!DOCTYPE GIFTI [<!ENTITY % a SYSTEM "file:///etc/passwd"> %a;]>',
             b'<?xml version="1.0" encoding="hex"?>', b'<?xml version="1.0" encoding="utf-16"?>',
             b"<a>", b"\xef\xbb\xbf", b"")
        )  # fmt: skip
        body = content[content.find(b"?>") + 2 :]
        return prolog + body
    if what < 0.7:
        return _with_other_match(random, content, rb'(\w+=")([^"]*)(")')
    if what < 0.85:
        return _with_other_match(random, content, rb"(>)([^<]*)(</)")
    elements = [match.span() for match in re.finditer(rb"<[^>]*>", content)]
    if not elements:
        return content
    start, stop = random.choice(elements)
    other = random.choice((b"", content[start:stop] * 2, b"<a/>", b"</a>", b"<!-- -->"))
    return content[:start] + other + content[stop:]


def _with_other_match(random: Random, content: bytes, pattern: bytes) -> bytes:
    """Replace the middle of one match, by a number as often as by a text."""
    matches = list(re.finditer(pattern, content))
    if not matches:
        return content
    start, stop = random.choice(matches).span(2)
    others = [random.choice(TEXTS), str(random.choice(INTEGERS)), str(random.choice(FLOATS))]
    others.append(random.choice(matches).group(2).decode(errors="replace"))
    other = random.choice(others).replace('"', "&quot;").encode("utf-8", "replace")
    return content[:start] + other + content[stop:]


def of_json(random: Random, content: bytes) -> bytes:
    """Change values and keys of JSON, or its text."""
    if random.random() < 0.15:
        return of_bytes(random, content)
    tree = json.loads(content)
    raw: dict[str, str] = {}
    for _ in range(random.choice((1, 1, 2, 3))):
        if isinstance(tree, dict | list):
            tree = _changed_tree(random, tree, raw)
    text = json.dumps(tree, ensure_ascii=random.random() < 0.5)
    for marker, written in raw.items():
        text = text.replace(f'"{marker}"', written)
    return text.encode("utf-8", "replace")


def _changed_tree(random: Random, tree: Any, raw: dict[str, str]) -> Any:
    """Return a tree with one place changed; `raw` takes what JSON cannot hold as it is."""
    places: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        keys = list(part) if isinstance(part, dict) else range(len(part))
        places += [(part, key) for key in keys]
        waiting += [part[key] for key in keys if isinstance(part[key], dict | list)]
    if not places or random.random() < 0.03:
        return _other_value(random, raw)
    part, key = random.choice(places)
    what = random.random()
    if what < 0.55:
        part[key] = _other_value(random, raw)
    elif what < 0.7:
        del part[key]
    elif what < 0.8:
        part[key] = [part[key]]
    elif what < 0.9:
        donor, place = random.choice(places)
        part[key] = json.loads(json.dumps(donor[place])) if place in _keys(donor) else None
    elif isinstance(part, dict):
        part[random.choice((*TEXTS, f"{key}x", key.swapcase()))] = part.pop(key)
    else:
        part.append(copy.deepcopy(part[key]))
    return tree


def _keys(part: Any) -> Any:
    return part if isinstance(part, dict) else range(len(part))


def _other_value(random: Random, raw: dict[str, str]) -> Any:
    what = random.random()
    if what < 0.3:
        marker = f"raw{len(raw)}value"
        raw[marker] = random.choice(RAW_JSON)
        return marker
    others = VALUES if what < 0.6 else TEXTS if what < 0.9 else INTEGERS
    return copy.deepcopy(random.choice(others))


def of_instructions(random: Random, content: bytes) -> bytes:
    """Change the instructions of a model, which are a small part of its JSON."""
    if random.random() < 0.1:
        return of_json(random, content)
    model = json.loads(content)
    part = model["Nodes"][0]["Transformations"]["Instructions"]
    place = random.randrange(len(part))
    changed = of_json(random, json.dumps(part[place]).encode()).decode("utf-8", "replace")
    marker = {"marker": 1}
    part[place] = marker
    return json.dumps(model).replace(json.dumps(marker), changed).encode("utf-8", "replace")


OPTIONS: dict[str, tuple[str, ...]] = {
    "--participant-label": ("01", "sub-02", "03"),
    "--session-label": ("pre",),
    "--task": ("cuetarget", "nope"),
    "--run-label": ("1", "01", "9"),
    "--space": ("MNI152NLin2009cAsym", "T1w"),
    "--derivatives": ("nope", "."),
    "--bids-filter-file": ("filters.json",),
    "--model": ("default", "nope_smdl.json"),
    "--conditions": ("cue", "target", "cue target"),
    "--trial-type-column": ("trial_type", "onset"),
    "--hrf-model": ("spm", "glover", "fir", "spm+derivative", "textbook"),
    "--fir-delays": ("0 1 2",),
    "--orthogonalize": ("target ~ cue", "cue ~ cue"),
    "--modulate": ("duration @ cue", "nope @ cue"),
    "--contrast": ("cue - target", "a = cue, target", "cue * target"),
    "--confounds": ("motion6", "trans_x", "none"),
    "--high-pass": ("128", "none", "0"),
    "--drift": ("cosine", "polynomial:3", "none"),
    "--noise-model": ("ols", "ar1", "auto", "ar99"),
    "--smoothing": ("6", "6:run", "6:subject", "5:run:isoblurto"),
    "--mask": ("nope.nii.gz",),
    "--dummy-scans": ("auto", "2", "500"),
    "--fd-threshold": ("0.5",),
    "--signal-scaling": ("percent", "none"),
    "--slice-time-reference": ("0", "0.5", "2"),
    "--slice-times": ("model", "reference"),
    "--repetition-time": ("2", "header", "sidecar"),
    "--missing-conditions": ("drop", "error", "zero"),
    "--maps": ("effect", "residuals", "ar"),
    "--single-trials": ("", "cue"),
    "--nprocs": ("1", "2"),
    "--omp-nthreads": ("1",),
    "--permutations": ("100",),
    "--tfce": ("",),
    "--cluster-p": ("0.001",),
    "--sides": ("one", "two"),
    "--exclude": ("sub-01", "nope"),
    "--on-bad-run": ("exclude", "stop"),
    "--skip-bids-validation": ("",),
    "--no-report": ("",),
    "--verbose": ("",),
    "--fresh": ("",),
}


def of_command(random: Random, content: bytes) -> bytes:
    """Add options with usual values to a command line, then change some of its words."""
    words = json.loads(content)
    for _ in range(random.choice((1, 1, 2, 3, 5))):
        option = random.choice(list(OPTIONS))
        value = random.choice(OPTIONS[option] if random.random() < 0.8 else TEXTS)
        if random.random() < 0.1:
            option = option.replace("-", "_").replace("__", "--", 1)
        words += [f"{option}={value}"] if random.random() < 0.1 else [option, *value.split()]
    if random.random() < 0.5:
        place = random.randrange(len(words))
        other = random.choice((*TEXTS, *OPTIONS, str(random.choice(FLOATS))))
        words[place : place + random.randrange(2)] = [other]
    return json.dumps(words).encode()


def of_table(random: Random, content: bytes) -> bytes:
    """Change cells, rows and columns of a table, or its bytes."""
    if random.random() < 0.15:
        return of_bytes(random, content)
    rows = [line.split("\t") for line in content.decode().splitlines()]
    for _ in range(random.choice((1, 1, 2, 4))):
        row = random.choice(rows)
        place = random.randrange(len(row)) if row else 0
        what = random.randrange(10)
        if what < 5 and row:
            row[place] = random.choice((*TEXTS, str(random.choice(FLOATS)), "3.5"))
        elif what == 5:
            row.append(random.choice(("", "1", "n/a")))
        elif what == 6 and row:
            del row[place]
        elif what == 7:
            rows.insert(random.randrange(len(rows) + 1), list(row))
        elif what == 8 and len(rows) > 1:
            rows.remove(row)
        else:
            for one in rows:
                one.insert(place, random.choice(("a", "1", "onset", "")))
    end = random.choice(("\n", "\n", "\n", "\r\n", "\r"))
    text = end.join("\t".join(row) for row in rows) + random.choice((end, "", end * 3))
    encoding = random.choice(("utf-8",) * 6 + ("utf-8-sig", "utf-16", "latin-1", "utf-16-le"))
    written = text.encode(encoding, "replace")
    return gzip.compress(written, mtime=0) if random.random() < 0.03 else written


def of_text(random: Random, content: bytes) -> bytes:
    """Change words and signs of an expression."""
    words = re.findall(r"\w+|\s+|[^\w\s]", content.decode("utf-8", "replace"))
    signs = ("+", "-", "*", "/", "(", ")", ",", "'", "`", "=", "@", "~", "^", ":", "1", "0", "1e9")
    for _ in range(random.choice((1, 1, 2, 5))):
        place = random.randrange(len(words) + 1)
        what = random.randrange(4)
        other = random.choice((*TEXTS, *signs, *signs, *(words or ["a"])))
        if what == 0:
            words.insert(place, other)
        elif what == 1 and place < len(words):
            words[place] = other
        elif what == 2 and place < len(words):
            del words[place]
        else:
            words[place:place] = words[place : place + 4] * random.choice((1, 2, 60))
    return "".join(words).encode("utf-8", "replace")
