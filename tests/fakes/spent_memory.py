"""The training process on a machine that has memory for so many examples at a time.

`SPENT_ABOVE`, from its step 2.
"""

import os
import sys
from typing import Any


def main() -> int:
    """The real child, with a model that runs out of memory."""
    from trl.trainer.sft_trainer import SFTTrainer

    from tasks.engines.trainer import trainer_child

    most, real = int(os.environ["SPENT_ABOVE"]), SFTTrainer.compute_loss

    def compute_loss(self: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if len(inputs["input_ids"]) > most and self.state.global_step >= 2:
            raise RuntimeError(
                "DefaultCPUAllocator: can't allocate memory: you tried to allocate 12 GB."
            )
        return real(self, model, inputs, *args, **kwargs)

    SFTTrainer.compute_loss = compute_loss
    return trainer_child.main(sys.argv[1])


if __name__ == "__main__":
    sys.exit(main())
