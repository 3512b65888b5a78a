# The examples of the direct task decorator, as the API document has them. Importing this
# module calls the tasks, so a runner must be there.
from api_examples_app import app


@app.direct_task(max_retries=3)
def my_func(x, y):
    return x + y

# This will return the result directly
result = my_func(1, 2)  # Returns 3

first_result = result

# With parallel execution
@app.direct_task(
    parallel_func=lambda _: [(i, i+1) for i in range(5)],
    aggregate_func=sum
)
def add_parallel(x, y):
    return x + y

result = add_parallel(0, 0)  # Returns sum of all parallel results

second_result = result

# With optimized pre-serialization of large shared data
@app.direct_task(
    parallel_func=lambda args: {
        "common_args": {"large_data": args["large_data"]},
        "param_iter": [{"index": i} for i in range(100)]
    },
    aggregate_func=lambda results: sum(r[0] for r in results)
)
def process_data(large_data: str, index: int = 0) -> tuple[int, int]:
    # Process large data with multiple parallel tasks
    return (len(large_data) + index, index)

# Calling with 20MB of data
huge_data = "x" * (20 * 1024 * 1024)
result = process_data(huge_data)  # Pre-serializes huge_data only once
