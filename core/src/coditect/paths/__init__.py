"""Path patterns: what a task may change, and the proof that two tasks cannot collide.

The matcher of the gate (`Language.matches`) and the proof (`overlap`, `find_overlaps`) read the
same parsed patterns, and every certain witness of the proof is in its language by that matcher.
"""

from coditect.paths.folding import fold
from coditect.paths.index import Overlap, Overlaps, find_overlaps
from coditect.paths.language import Language
from coditect.paths.pattern import Pattern, PatternError, literal_path, parse_pattern
from coditect.paths.product import Undecided, Witness, outside, overlap

__all__ = [
    "Language",
    "Overlap",
    "Overlaps",
    "Pattern",
    "PatternError",
    "Undecided",
    "Witness",
    "find_overlaps",
    "fold",
    "literal_path",
    "outside",
    "overlap",
    "parse_pattern",
]
