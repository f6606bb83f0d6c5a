"""How gunicorn runs the application. Each value can be set on the command line, too."""

import os
import tempfile

# The metrics of all processes are added up in this folder, which each start makes anew.
if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="metrics")

bind = os.environ.get("BIND", "0.0.0.0:8000")
workers = int(os.environ.get("WORKERS", "2"))
worker_class = "gthread"
threads = int(os.environ.get("THREADS", "8"))
# The application is loaded once, before the workers are forked: they start at once.
preload_app = True
# A request takes 6 s at most, also while the database does not answer.
timeout = 30
graceful_timeout = 20
# Workers end after a while, not all at once.
max_requests = 50_000
max_requests_jitter = 5_000
# A disk that is slow must not stop the workers' sign of life.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None
control_socket_disable = True


def child_exit(server, worker):
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)
