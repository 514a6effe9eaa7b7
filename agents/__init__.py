"""Agents: one role each, over chat models and prompts; no LangGraph, no files but prompts."""
