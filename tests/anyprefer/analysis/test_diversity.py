"""Diversity of small datasets with the packaged encoder."""

import json
import math

import numpy as np
import pytest

from anyprefer.analysis.dataset import Dataset, TextPair
from anyprefer.analysis.distinct_words import count_words, measure_distinct
from anyprefer.analysis.diversity import DEFINITIONS, Diversity, draw_pairs, measure_diversity
from anyprefer.analysis.diversity_table import format_markdown, tabulate_coverage, tabulate_measures
from anyprefer.analysis.tsne_map import chart_map, make_map
from anyprefer.backends.text_encoders import open_encoder
from anyprefer.errors import ConfigError, DataError

TOPICS = (
    "volcanoes tax-law violin penguins bread football chemistry castles yoga rockets gardening opera bees chess glaciers "
    "banking cinema dentistry sailing poetry robots cheese earthquakes marathons"
).split()


@pytest.fixture(scope="module")
def encoder():
    pytest.importorskip("sentence_transformers")
    return open_encoder()


def wide(count=24, name="wide"):
    """Every pair about something else."""
    return Dataset(
        name,
        tuple(
            TextPair(f"w{i}", f"Tell me about {topic}.", f"{topic.title()} are a large subject.", f"I know no {topic}.")
            for i, topic in enumerate(TOPICS[:count])
        ),
    )


def narrow(count=24, name="narrow"):
    """Every pair a sum."""
    return Dataset(
        name,
        tuple(
            TextPair(f"n{i}", f"What is {i} plus {i + 1}?", f"{i} plus {i + 1} is {2 * i + 1}.", f"It is {2 * i}.")
            for i in range(count)
        ),
    )


@pytest.fixture(scope="module")
def compared(encoder):
    return measure_diversity([wide(), narrow(20)], encoder, resamples=20)


def measures(found: Diversity, name: str):
    return {view.view: view for dataset in found.datasets if dataset.name == name for view in dataset.views}


@pytest.mark.parametrize("view", ["prompt", "responses", "pair"])
def test_different_topics_are_more_diverse_than_sums(compared, view):
    broad, sums = measures(compared, "wide")[view], measures(compared, "narrow")[view]
    for name in ("vendi", "effective_rank", "mean_distance", "nearest_distance"):
        assert getattr(broad, name).low > getattr(sums, name).high, name
    assert broad.condition_number.value < sums.condition_number.value


def test_datasets_are_compared_at_equal_n_d_and_words(compared):
    assert compared.size == 20
    views = [view for dataset in compared.datasets for view in dataset.views]
    assert {(view.view, view.n, view.d) for view in views} == {("prompt", 20, 384), ("responses", 20, 768), ("pair", 20, 1152)}
    assert len({(view.view, view.words) for view in views}) == 3
    assert all(view.rank <= 19 for view in views)


def test_distinct_words_are_counted_in_the_drawn_texts_up_to_the_shared_length(compared):
    for dataset in (wide(), narrow(20)):
        prompts = [pair.prompt for pair in draw_pairs(dataset, 20, seed=0)]
        view = measures(compared, dataset.name)["prompt"]
        assert view.distinct == measure_distinct(prompts, view.words)
        assert view.words == 4 * 20  # the topics have four or five words each, the sums five


def test_a_mixture_covers_its_part_more_than_the_part_covers_it(encoder):
    mixed = Dataset("mixed", wide(10).pairs + narrow(10).pairs)
    found = measure_diversity([wide(), mixed], encoder, resamples=5)
    shares = {item.covering: item.share.value for item in found.coverage if item.view == "prompt"}
    assert shares["mixed"] > 0.7 > shares["wide"]


def test_sums_do_not_cover_topics(compared):
    shares = {(item.view, item.covering): item for item in compared.coverage}
    assert len(shares) == len(compared.coverage) == 6
    assert shares["pair", "narrow"].share.value == 0
    assert 0.9 < shares["pair", "narrow"].expected < 1


def test_the_result_is_json_with_its_definitions(compared):
    assert Diversity.model_validate_json(compared.model_dump_json()) == compared
    assert json.loads(compared.model_dump_json())["definitions"] == DEFINITIONS
    measured = {name for name in type(compared.datasets[0].views[0]).model_fields if name not in {"n", "d", "rank", "words"}}
    assert measured - {"truncated"} <= set(DEFINITIONS)


def test_warnings_name_what_limits_the_numbers(compared):
    joined = "\n".join(compared.warnings)
    assert "20 pairs are few" in joined
    assert "n = 20 is less than twice d in pair (d = 1152), prompt (d = 384), responses (d = 768)" in joined


def test_the_same_seed_gives_the_same_result(encoder, compared):
    again = measure_diversity([wide(), narrow(20)], encoder, resamples=20)
    assert again == compared


def test_a_draw_does_not_depend_on_the_company():
    pairs = draw_pairs(wide(), 10, seed=3)
    assert pairs == draw_pairs(wide(name="other name"), 10, seed=3)
    assert len({pair.id for pair in pairs}) == 10
    assert pairs != draw_pairs(wide(), 10, seed=4)


def test_contrary_verdicts_are_said(compared):
    """The public sets behave so: the condition number hangs on the smallest eigenvalue."""
    data = compared.model_dump()
    first, second = (dataset["views"][0] for dataset in data["datasets"])
    first["condition_number"], second["condition_number"] = second["condition_number"], first["condition_number"]
    for view, value in ((first, 900.0), (second, 90.0)):
        view["condition_number"] = {"value": value, "low": value * 0.9, "high": value * 1.1}
    found = [text for text in Diversity.model_validate(data).warnings if "Vendi" in text]
    assert len(found) == 1
    assert "in the view prompt, wide is more diverse than narrow by the Vendi score and less by the condition number" in found[0]


def test_a_condition_number_that_hangs_on_a_few_pairs_is_named(compared):
    data = compared.model_dump()
    for view in (view for dataset in data["datasets"] for view in dataset["views"]):
        view["condition_number"] = {"value": 30.0, "low": 20.0, "high": 45.0}
    assert not [text for text in Diversity.model_validate(data).warnings if "factor of ten" in text]
    data["datasets"][1]["views"][2]["condition_number"] = {"value": 89.0, "low": 1.9, "high": 4262.0}
    found = [text for text in Diversity.model_validate(data).warnings if "factor of ten" in text]
    assert len(found) == 1
    assert "of narrow is uncertain by more than a factor of ten in pair" in found[0]


def test_two_pairs_are_listed_and_not_measured(encoder):
    found = measure_diversity([wide(2)], encoder)
    assert (found.size, found.map, found.coverage) == (0, None, ())
    assert found.datasets[0].views == ()
    assert found.warnings == ("wide has 2 pairs: diversity is measured from 10 on",)
    assert tabulate_measures(found)[1] == []


def test_a_tiny_dataset_does_not_shrink_the_others(encoder):
    found = measure_diversity([wide(12), narrow(3)], encoder, resamples=5)
    assert found.size == 12
    assert [len(dataset.views) for dataset in found.datasets] == [3, 0]
    assert found.map is None  # 12 points make no map


def test_equal_pairs_are_measured_too(encoder):
    same = Dataset("same", tuple(TextPair(str(i), "a", "b", "c") for i in range(12)))
    view = measure_diversity([same], encoder, resamples=5).datasets[0].views[0]
    assert (view.rank, view.condition_number, view.near_duplicates.value) == (0, None, 1)
    assert view.vendi.value == pytest.approx(1, abs=1e-3)


def test_datasets_need_names_of_their_own(encoder):
    with pytest.raises(DataError, match="two datasets are called 'wide'"):
        measure_diversity([wide(), wide()], encoder)
    with pytest.raises(ConfigError, match="size >= 10 and resamples >= 2, got 3 and 20"):
        measure_diversity([wide()], encoder, size=3, resamples=20)


def test_the_map_holds_every_pair_and_keeps_topics_apart(compared):
    groups = {group.name: group for group in compared.map.groups}
    assert {name: len(group.ids) for name, group in groups.items()} == {"wide": 20, "narrow": 20}
    assert set(groups["narrow"].ids) == {f"n{i}" for i in range(20)}
    points = [(x, y, name) for name, group in groups.items() for x, y in zip(group.x, group.y, strict=True)]
    nearest = [
        min((other for other in points if other != point), key=lambda other, own=point: math.dist(own[:2], other[:2]))
        for point in points
    ]
    assert sum(point[2] == other[2] for point, other in zip(points, nearest, strict=True)) >= 36
    assert compared.map.perplexity == pytest.approx(13)
    chart = chart_map(compared.map)
    assert "wide (20), narrow (20)" in chart.summary
    assert chart.svg.startswith("<svg ")


def test_each_point_of_the_map_is_its_own_pairs():
    """Five pairs of the first set lie among those of the second."""
    pytest.importorskip("openTSNE")
    noise = np.random.default_rng(0).normal(0, 0.05, size=(2, 30, 8))
    first, second = noise + np.eye(8)[:2][:, None, :]
    first[:5] += np.eye(8)[1] - np.eye(8)[0]
    names = [[f"{name}{i}" for i in range(30)] for name in "ab"]
    found = make_map(["a", "b"], names, [first, second])
    assert found is not None
    one, other = (np.column_stack([group.x, group.y]) for group in found.groups)
    home, abroad = (np.linalg.norm(part.mean(axis=0) - other.mean(axis=0)) for part in (one[5:], one[:5]))
    assert home > 3 * abroad
    assert found.groups[0].ids == tuple(names[0])


def test_tables_have_a_row_for_each_view_and_direction(compared):
    head, rows = tabulate_measures(compared)
    assert [row[:2] for row in rows[:3]] == [("prompt", "wide"), ("prompt", "narrow"), ("responses", "wide")]
    assert {len(row) for row in rows} == {len(head)}
    assert len(tabulate_coverage(compared)[1]) == 6
    assert format_markdown((("a", "b"), [("x|y", "1")])) == "| a | b |\n| --- | --- |\n| x\\|y | 1 |"


def test_distinct_counts_word_sequences_within_texts():
    assert measure_distinct(["A b a", "b A"], 10) == (2 / 5, 2 / 3, 1.0)
    assert measure_distinct(["a a a a"], 2) == (1 / 2, 1.0, 0.0)
    assert count_words(["It's 3.5", ""]) == 4
