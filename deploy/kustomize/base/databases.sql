-- Run once by Postgres' image, in an empty volume: the user and the database `lake` are there already.
CREATE DATABASE prefect;
CREATE DATABASE mlflow;
CREATE DATABASE mlflow_auth;
