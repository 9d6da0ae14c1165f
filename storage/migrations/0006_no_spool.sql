-- What is acknowledged is committed: no batch waits beside the file any more, so none is noted as merged.

DROP TABLE merged_spool_files;
