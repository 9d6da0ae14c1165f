"""What vLLM's worker lacks to change weights at run time; joined as `worker_extension_cls`."""

from typing import Any


class RepacksOutputLayer:
    """Asked by name, through `/collective_rpc`."""

    model_runner: Any  # the worker's own

    def repack_output_layer(self) -> None:
        """Pack a tied output layer again: on a CPU it is a packed copy, which reloading leaves."""
        from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead

        for layer in self.model_runner.get_model().modules():
            if isinstance(layer, ParallelLMHead):
                layer.quant_method.process_weights_after_loading(layer)
