"""What there should be, tested without a host: python3 -m unittest"""

import unittest

from wanted import config_map, status


class Wanted(unittest.TestCase):
    def test_the_config_map_has_the_message(self):
        wanted = config_map("a", "team", {"message": "Hello"})
        self.assertEqual(wanted["metadata"], {"name": "a-{{singular}}", "namespace": "team"})
        self.assertEqual(wanted["data"], {"message": "Hello"})

    def test_the_status_names_the_config_map(self):
        reported = status("a")
        self.assertEqual((reported["phase"], reported["configMapName"]), ("Ready", "a-{{singular}}"))
