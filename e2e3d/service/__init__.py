"""What the service is, by feature: records, tables, queries, wire models, routes and rules of each in one folder."""
