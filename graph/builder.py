"""Build the loop: nodes in order, two decisions, one back edge, one error handler."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from langgraph.graph import END, START, StateGraph

from anyprefer.agents.team import Team
from anyprefer.config import Recipe
from anyprefer.graph.nodes import Nodes
from anyprefer.graph.routing import Routes
from anyprefer.graph.state import SynthesisInput, SynthesisState

STEPS_PER_ROUND = 8
"""Super-steps of one round, the rewrite included; the largest of all routes."""

NODES: Mapping[str, str] = {
    "sample_candidates": "target", "select_tools": "judge", "gather_evidence": "tools", "aggregate_knowledge": "aggregator",
    "score_candidates": "judge", "form_pair": "", "critique_pair": "critic", "rewrite_prompts": "rewriter",
    "review_pair": "reviewer", "record_preference": "",
}  # fmt: skip
"""Node -> the role that works in it; shown where a graph is drawn."""


class Decisions(Protocol):
    """Where the loop goes on; see `Routes`."""

    @property
    def after_sample_candidates(self) -> Callable[..., Any]:
        """Names one of `select_tools`, `score_candidates` and `form_pair`."""

    @property
    def after_gather_evidence(self) -> Callable[..., Any]:
        """Names one of `aggregate_knowledge` and `form_pair`."""

    @property
    def after_critique_pair(self) -> Callable[..., Any]:
        """Names one of `record_preference`, `review_pair` and `rewrite_prompts`."""


def build_graph(team: Team) -> StateGraph[SynthesisState, None, SynthesisInput, SynthesisState]:
    """Make the graph builder for a team; the caller compiles it, with a checkpointer or without.

    Paper: algorithm 1. Give `recursion_limit(recipe)` to the run, so that a loop can never run away.
    """
    nodes = Nodes(team)
    builder = StateGraph(SynthesisState, input_schema=SynthesisInput)
    builder.add_edge(START, "sample_candidates")
    add_loop(builder, {name: getattr(nodes, name) for name in NODES}, Routes(team), nodes.record_failure)
    return builder


def add_loop(
    builder: StateGraph[Any, Any, Any, Any], nodes: Mapping[str, Callable[..., Any]], routes: Decisions,
    on_failure: Callable[..., Any],
) -> None:  # fmt: skip
    """Add the loop's nodes and edges; it begins at `sample_candidates`, to which the caller draws an edge."""
    builder.set_node_defaults(error_handler=on_failure)
    for name, role in NODES.items():
        builder.add_node(name, nodes[name], metadata={"role": role} if role else None)
    builder.add_conditional_edges(
        "sample_candidates", routes.after_sample_candidates, ["select_tools", "score_candidates", "form_pair"]
    )
    builder.add_edge("select_tools", "gather_evidence")
    builder.add_conditional_edges("gather_evidence", routes.after_gather_evidence, ["aggregate_knowledge", "form_pair"])
    builder.add_edge("aggregate_knowledge", "score_candidates")
    builder.add_edge("score_candidates", "form_pair")
    builder.add_edge("form_pair", "critique_pair")
    builder.add_conditional_edges(
        "critique_pair", routes.after_critique_pair, ["record_preference", "review_pair", "rewrite_prompts"]
    )
    builder.add_edge("rewrite_prompts", "sample_candidates")
    builder.add_edge("review_pair", "record_preference")
    builder.add_edge("record_preference", END)


def recursion_limit(recipe: Recipe) -> int:
    """An upper bound of the super-steps that a task may take."""
    return STEPS_PER_ROUND * (recipe.loop.max_rounds + 1) + 4
