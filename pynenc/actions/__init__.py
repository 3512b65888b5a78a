"""Acting on an app from outside of its tasks: single actions, jobs, and the trail that they leave."""
