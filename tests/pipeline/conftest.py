from e2e3d.tasks.ray_environment import protect_private_ray

protect_private_ray()
