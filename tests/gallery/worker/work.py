"""Works forever."""

import time

SENTENCE = "first version"

while True:
    print(SENTENCE, flush=True)
    time.sleep(5)
