from e2e3d.tasks.environment import protect_private_ray

protect_private_ray()
