"""A site's figures as Hive-partitioned Parquet in the object store, which any SQL engine reads."""
