"""Human review: tasks that wait for a decision, a page to work through them, and how people and judge agree."""
