"""
Are images required?
====================

No. :class:`~hierseg_learn.HierarchicalMetricClassifier` works on any table whose columns form a
tree. For a table without a tree, it is a flat metric learner.
"""

# %%
# The iris data have four columns. The column names define the groups: ``/`` separates nodes and
# ``|`` precedes the feature. We chose this hierarchy ourselves.
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score, train_test_split

from hierseg_learn import HierarchicalMetricClassifier

X, y = load_iris(return_X_y=True, as_frame=True)
named = X.set_axis(
    ["flower/sepal|length", "flower/sepal|width", "flower/petal|length", "flower/petal|width"],
    axis=1,
)
X_train, X_test, y_train, y_test = train_test_split(named, y, stratify=y, random_state=0)
classifier = HierarchicalMetricClassifier(random_state=0).fit(X_train, y_train)
print(classifier.tree_.export_text(classifier.node_scores_, fmt=".0%"))
print(f"accuracy: {classifier.score(X_test, y_test):.3f}")

# %%
# Explain the difference between two flowers of the two species that are hard to separate:
versicolor, virginica = X_test[y_test == 1].iloc[0], X_test[y_test == 2].iloc[0]
explanation = classifier.explain_pair(versicolor, virginica)
print(explanation.to_text())
_ = explanation.plot()

# %%
# The names need not be changed: ``tree`` also accepts a nested dict with lists of columns.
tree = {
    "flower": {
        "sepal": ["sepal length (cm)", "sepal width (cm)"],
        "petal": ["petal length (cm)", "petal width (cm)"],
    }
}
with_tree = HierarchicalMetricClassifier(tree, random_state=0)
print(f"with the tree:    {cross_val_score(with_tree, X, y, cv=5).mean():.3f}")

# %%
# A table without such names is a tree of one node: a flat metric learner.
flat = HierarchicalMetricClassifier(random_state=0)
print(f"without the tree: {cross_val_score(flat, X, y, cv=5).mean():.3f}")

# %%
# There, what contributes to a prediction are the columns. With a tree, ``by="columns"`` lists them
# below their nodes. In both models, held-out rows chose a linear decision rather than votes of
# neighbors (``decision_``), so the contributions add up to log-odds.
flat.fit(X_train.set_axis(X.columns, axis=1), y_train)
print(flat.explain_prediction(virginica.set_axis(X.columns)).to_text())
print(classifier.explain_prediction(virginica, by="columns").contrast.to_text())

# %%
# If another classifier follows, the metric is used as a transformer.
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

mapped = make_pipeline(with_tree, LogisticRegression(max_iter=1000))
print(f"mapped, then logistic regression: {cross_val_score(mapped, X, y, cv=5).mean():.3f}")
