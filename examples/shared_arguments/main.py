"""One large argument for many calls: serialized once, stored once."""

import threading

from tasks import app, occurrences

text = "one two three " * 50_000
runner = threading.Thread(target=app.runner.run)
runner.start()
try:
    words = ["one", "two", "three", "four"]
    group = occurrences.parallelize([{"word": word} for word in words], common_args={"text": text})
    print(dict(zip(words, group.results, strict=True)))
finally:
    app.runner.stop_runner_loop()
    runner.join()
