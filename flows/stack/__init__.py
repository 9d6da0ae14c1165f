"""The lasting stack of a machine: Postgres, Prefect's server, MLflow's, a worker, the explorer."""
