"""What a part is across images: its looks, its statistics, and which parts belong together."""

from ._agglomeration import PartAgglomeration, metric_similarity
from ._lookup import PartLookup
from ._statistics import PartStatistics
from .vocabulary import PartVocabulary

__all__ = [
    "PartAgglomeration",
    "PartLookup",
    "PartStatistics",
    "PartVocabulary",
    "metric_similarity",
]
