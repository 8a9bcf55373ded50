# Scans programs with bandit (https://bandit.readthedocs.io) without running them. Reads one JSON string a line, the program;
# writes one JSON object a line. A resident process, since bandit takes longer to start than to scan. `# nosec` comments count
# for nothing: the policy writes them too.
import json, logging, os, sys, tempfile

try:
    import bandit
    from bandit.core import config, manager
except ImportError as error:
    print(json.dumps({"missing": str(error)}), flush=True)
    sys.exit(0)
logging.disable(logging.CRITICAL)
settings = config.BanditConfig()
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "program.py")
    print(json.dumps({"ready": True, "version": bandit.__version__}), flush=True)
    for line in sys.stdin:
        with open(path, "w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(json.loads(line))
        scan = manager.BanditManager(settings, "file", ignore_nosec=True)
        scan.discover_files([path])
        scan.run_tests()
        found = [{"test": issue.test_id, "severity": issue.severity} for issue in scan.get_issue_list()]
        print(json.dumps({"findings": found, "is_skipped": bool(scan.skipped)}), flush=True)
