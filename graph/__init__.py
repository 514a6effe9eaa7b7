"""The synthesis loop as a LangGraph state graph, nothing else."""
