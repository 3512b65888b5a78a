"""Names of settings and options in other frameworks, and what is meant by them here."""

from __future__ import annotations

from collections.abc import Collection, Mapping

ELSEWHERE: Mapping[str, str] = {
    # of tasks
    "bind": "a body gets no 'self': write <task>.invocation, <task>.logger and <task>.wf inside it",
    "autoretry_for": "write 'retry_for'",
    "default_retry_delay": "write 'retry_delay'",
    "min_backoff": "write 'retry_delay'",
    "max_backoff": "write 'retry_max_delay'",
    "retry_kwargs": "write 'max_retries' and 'retry_delay'",
    "retries": "write 'max_retries'",
    "retry": "write 'max_retries', and 'retry_for' for exceptions other than RetryError",
    "retry_on_error": "write 'max_retries' and 'retry_for'",
    "soft_time_limit": "write 'timeout'",
    "time_limit": "write 'timeout', and 'timeout_grace' for the time to clear up",
    "max_age": "write 'timeout'",
    "acks_late": "leave it out: what a dead runner ran is run again by another",
    "reject_on_worker_lost": "leave it out: what a dead runner ran is run again by another",
    "ignore_result": "leave it out: results are kept for 'auto_final_invocation_purge_hours'",
    "store_results": "leave it out: results are kept for 'auto_final_invocation_purge_hours'",
    "rate_limit": "write 'throttle', 'debounce' or 'running_concurrency'",
    "actor_name": "write 'name'",
    "task_name": "write 'name'",
    "queue_name": "write 'queue'",
    "queueing_lock": "write 'registration_concurrency'",
    "lock": "write 'running_concurrency'",
    "schedule": "write 'triggers=on_cron(...)'",
    "cron": "write 'triggers=on_cron(...)'",
    "periodic": "write 'triggers=on_cron(...)' or 'triggers=on_interval(...)'",
    # of calls
    "countdown": "write 'delay'",
    "schedule_at": "write 'eta'",
    "schedule_in": "write 'delay'",
    "task_id": "write 'invocation_id'",
    "job_id": "write 'invocation_id'",
    "args": "give the arguments where the task is called: <task>.options(...)(1, 2)",
    "kwargs": "give the arguments where the task is called: <task>.options(...)(x=1)",
    "link": "wait for the result in the body of another task, or give that a trigger on_success(...)",
    "expires": "write 'timeout' for the time of a run; a call that waits does not expire",
    # of apps
    "broker_url": "write 'backend' and 'redis_url' or 'mongo_url'",
    "result_backend": "write 'backend', which chooses all of a family",
    "url": "write 'redis_url' or 'mongo_url'",
    "task_always_eager": "write 'dev_mode_force_sync_tasks'",
    "always_eager": "write 'dev_mode_force_sync_tasks'",
    "immediate": "write 'dev_mode_force_sync_tasks'",
    "include": "write 'task_modules'",
    "imports": "write 'task_modules'",
    "timezone": "give it to the trigger: on_cron('0 5 * * *', timezone='Europe/Berlin')",
    "concurrency": "write 'max_threads' or 'num_processes', as the runner has it",
    "worker_concurrency": "write 'max_threads' or 'num_processes', as the runner has it",
}
"""The names, and what to write here."""

KNOWN_PLUGINS: Mapping[str, str] = {"redis": "pynenc-redis", "mongo": "pynenc-mongo"}
"""Distributions that are ours to recommend, by the alias of what they offer."""


def hint_for(name: str, known: Collection[str]) -> str | None:
    """Return what to do about a name that is none of the known ones, or None if there is no answer."""
    name = name.lower()
    for alias, distribution in KNOWN_PLUGINS.items():
        if name.startswith(f"{alias}_") and not any(each.startswith(f"{alias}_") for each in known):
            return f"it is known once the plugin is installed: pip install {distribution}"
    return ELSEWHERE.get(name)
