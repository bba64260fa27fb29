"""Several ways of training side by side: plan, training at equal budgets, measurement, table."""
