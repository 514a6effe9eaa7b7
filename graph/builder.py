"""Build the loop: nodes in order, two decisions, one back edge, one error handler."""

from langgraph.graph import END, START, StateGraph

from anyprefer.agents.team import Team
from anyprefer.config import Recipe
from anyprefer.graph.nodes import Nodes
from anyprefer.graph.routing import Routes
from anyprefer.graph.state import SynthesisInput, SynthesisState

STEPS_PER_ROUND = 8
"""Super-steps of one round, the rewrite included; the largest of all routes."""


def build_graph(team: Team) -> StateGraph[SynthesisState, None, SynthesisInput, SynthesisState]:
    """Make the graph builder for a team; the caller compiles it, with a checkpointer or without.

    Paper: algorithm 1. Give `recursion_limit(recipe)` to the run, so that a loop can never run away.
    """
    nodes, routes = Nodes(team), Routes(team.recipe)
    builder = StateGraph(SynthesisState, input_schema=SynthesisInput)
    builder.set_node_defaults(error_handler=nodes.record_failure)  # type: ignore[arg-type]  # its types lack NodeError
    builder.add_node(nodes.sample_candidates)
    builder.add_node(nodes.select_tools)
    builder.add_node(nodes.gather_evidence)
    builder.add_node(nodes.aggregate_knowledge)
    builder.add_node(nodes.score_candidates)
    builder.add_node(nodes.form_pair)
    builder.add_node(nodes.critique_pair)
    builder.add_node(nodes.rewrite_prompts)
    builder.add_node(nodes.record_preference)
    builder.add_edge(START, "sample_candidates")
    builder.add_conditional_edges("sample_candidates", routes.after_sample_candidates)
    builder.add_edge("select_tools", "gather_evidence")
    builder.add_edge("gather_evidence", "aggregate_knowledge")
    builder.add_edge("aggregate_knowledge", "score_candidates")
    builder.add_edge("score_candidates", "form_pair")
    builder.add_edge("form_pair", "critique_pair")
    builder.add_conditional_edges("critique_pair", routes.after_critique_pair)
    builder.add_edge("rewrite_prompts", "sample_candidates")
    builder.add_edge("record_preference", END)
    return builder


def recursion_limit(recipe: Recipe) -> int:
    """An upper bound of the super-steps that a task may take."""
    return STEPS_PER_ROUND * (recipe.loop.max_rounds + 1) + 4
