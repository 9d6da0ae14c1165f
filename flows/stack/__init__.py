"""The lasting stack of one machine: Postgres, Prefect's server, MLflow's, a worker, the watch on slots."""
