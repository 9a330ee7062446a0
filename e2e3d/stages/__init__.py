"""The stages of the pipeline, one module each: config, resources, and ``run(inputs, config, context) -> result``."""
