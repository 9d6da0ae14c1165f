"""Which state of a lake an adapter or training set was chosen from."""

from storage.errors import InputError
from storage.lineage.lineage_tree import find_record
from storage.records import Adapter, TrainingSet
from storage.store.store import Store


def snapshot_of(store: Store, prefix: str) -> int:
    """The snapshot; `prefix` is the id of an adapter or a training set, or the beginning of one."""
    found = find_record(store, prefix)
    training_set_id = found.id
    if found.table == Adapter.table:
        adapter = store.get(Adapter, found.id)
        training_set_id = adapter.training_set_id if adapter else found.id
    training_set = store.get(TrainingSet, training_set_id)
    if training_set is None:
        raise InputError(
            f"A past state is that of an adapter or a training set; {prefix!r} is in {found.table}."
        )
    if training_set.snapshot is None:
        raise InputError(
            f"Training set {training_set.id} names no past state: it was made in a file, or moved. "
            "Only a lake keeps them; see docs/storage.md."
        )
    return training_set.snapshot
