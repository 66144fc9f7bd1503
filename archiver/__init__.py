"""archiver: keep logs as long as promised, prove it, and delete them on time."""

__version__ = "0.1.0"
