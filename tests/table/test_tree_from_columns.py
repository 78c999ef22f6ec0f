"""Trees from the names that ColumnTransformer and skrub give to columns."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from hierseg_learn import HierarchicalMetricClassifier
from hierseg_learn.table import tree_from_columns
from hierseg_learn.tree import SegmentTree

# TableVectorizer of skrub 0.11.0, with a StringEncoder and with a GapEncoder for `title`
SKRUB = ["age", "fare", "sex_m", "port of call_C", "port of call_Q", "port of call_S"]
SKRUB += ["joined_year", "joined_month", "joined_day", "joined_total_seconds"]
ENCODED = ["title_0", "title_1", "title_2"]
TOPICS = ["title: other20, other27, other23", "title: other14, other15, other16"]
VARIABLES = ["age", "fare", "sex", "port of call", "joined", "title"]


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.normal(40, 9, 120),
            "fare": rng.lognormal(3, 1, 120),
            "sex": rng.choice(["f", "m"], 120),
            "port of call": rng.choice(list("CQS"), 120),
        }
    )
    return frame, (frame["sex"] == "m").to_numpy() ^ (rng.random(120) < 0.1)


@pytest.fixture
def transformer():
    return ColumnTransformer(
        [
            ("num", StandardScaler(), ["age", "fare"]),
            ("cat", OneHotEncoder(sparse_output=False), ["sex", "port of call"]),
        ]
    ).set_output(transform="pandas")


def test_names_of_a_real_column_transformer(people, transformer):
    table = transformer.fit(people[0]).transform(people[0])
    assert tree_from_columns(table).to_nested() == {
        "table": {
            "num": ["num__age", "num__fare"],
            "cat": [name for name in table.columns if name.startswith("cat__")],
        }
    }
    tree = tree_from_columns(transformer)
    assert tree.to_nested() == {
        "table": {
            "num": ["num__age", "num__fare"],
            "cat": {
                "sex": ["cat__sex_f", "cat__sex_m"],
                "port of call": [f"cat__port of call_{port}" for port in "CQS"],
            },
        }
    }
    assert tree_from_columns(table, transformer.feature_names_in_) == tree
    plain = clone(transformer).set_params(verbose_feature_names_out=False).fit(people[0])
    nested = tree_from_columns(plain).to_nested()["table"]
    assert list(nested) == ["age", "fare", "sex", "port of call"]


def test_prefixes_are_a_tree_within_a_pipeline(people, transformer):
    X, y = people
    model = make_pipeline(
        transformer, HierarchicalMetricClassifier("prefixes", n_neighbors=15, random_state=0)
    )
    assert cross_val_score(model, X, y, cv=3).mean() > 0.8
    classifier = model.fit(X, y)[-1]
    assert classifier.tree_.paths == ("table/num", "table/cat", "table")
    table = model[:-1].transform(X)
    explained = classifier.explain_prediction(table.iloc[[0]])
    assert explained.contrast.direct.argmax() == classifier.tree_.index("cat")
    by_variable = HierarchicalMetricClassifier(tree_from_columns(model[0]), random_state=0)
    by_variable.fit(table, y)
    assert by_variable.node_scores_["table/cat/sex"] > 0.8
    assert by_variable.node_scores_["table/cat/port of call"] < 0.7


@pytest.mark.parametrize("titles", [ENCODED, TOPICS])
def test_names_of_skrub(titles):
    nested = tree_from_columns([*SKRUB, *titles], VARIABLES).to_nested()["table"]
    assert nested == {
        "age": ["age"],
        "fare": ["fare"],
        "sex": ["sex_m"],
        "port of call": SKRUB[3:6],
        "joined": SKRUB[6:],
        "title": titles,
    }


def test_variables_are_the_longest_that_fit():
    names = ["a_x", "a_b_x", "a_b", "ab", "o__i__a_b_y", "o__i__a_z", "a__b_1", "a__b_2"]
    nested = tree_from_columns(names, ["a", "a_b", "a__b"], root_name="r").to_nested()["r"]
    assert nested == {
        "o": {"i": ["o__i__a_b_y", "o__i__a_z"]},
        "a": ["a_x"],
        "a_b": ["a_b_x", "a_b"],
        "ab": ["ab"],
        "a__b": ["a__b_1", "a__b_2"],
    }


def test_names_of_nodes_and_variables_may_be_the_same():
    nested = tree_from_columns(["num__x_1", "num__x_2", "num"]).to_nested()["table"]
    assert nested == {"num": ["num__x_1", "num__x_2"], "num (column)": ["num"]}
    one = tree_from_columns(["x", "y"])
    assert one == SegmentTree(["table"], [0], [["x", "y"]])
    odd = ["__x", "a__", "a.b", "c"]
    assert tree_from_columns(odd).leaf_values == (tuple(odd),)
    dotted = tree_from_columns(["a.b", "a.c", "c"], separator=".").to_nested()["table"]
    assert dotted == {"a": ["a.b", "a.c"], "c": ["c"]}


@pytest.mark.parametrize(
    ("columns", "error", "sentence"),
    [
        ([], TypeError, "columns must be names of columns, strings, got none."),
        (["a", 3], TypeError, "columns must be names of columns, strings, got 3."),
        (["a", "b", "a"], ValueError, "columns holds 'a' twice; expected names that differ."),
        (
            [" __x"],
            ValueError,
            "columns holds ' __x', whose prefix before '__' is blank; expected a name of a node.",
        ),
    ],
)
def test_wrong_names(columns, error, sentence):
    with pytest.raises(error) as caught:
        tree_from_columns(columns)
    assert str(caught.value) == sentence


def test_prefixes_must_be_there():
    X, y = np.eye(6), [0, 1] * 3
    model = HierarchicalMetricClassifier("prefixes")
    with pytest.raises(
        ValueError, match=r"needs a table with column names such as 'num__age', .*no"
    ):
        model.fit(X, y)
    with pytest.raises(ValueError, match="got names such as 'a'"):
        model.fit(pd.DataFrame(X, columns=list("abcdef")), y)
