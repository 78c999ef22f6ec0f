"""Parts across images: vocabulary, statistics, and a tree over similar parts."""

from ._agglomeration import PartAgglomeration, suggest_tree
from ._agglomeration import metric_similarity as metric_similarity
from ._lookup import PartLookup as PartLookup
from ._statistics import PartStatistics
from .vocabulary import PartVocabulary

__all__ = ["PartAgglomeration", "PartStatistics", "PartVocabulary", "suggest_tree"]
