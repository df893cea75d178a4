# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""Real mail servers for tests and the demo, private and gone when they end."""

from .conversation import Exchange, Reply, SMTPConversation
from .daemon import Daemon, Settings, executable, memory
from .machine import Machine
from .names import NameServer
from .network import PrivateNetwork
from .packages import PROJECT
from .postfix import DOMAIN, PrivatePostfix
from .processes import (
    Failure, Folder, Program, end_with_us, free_port, stop_all, stop_on_signals, wait_until,
)
from .recorder import FilterRecorder
from .sendmail import PrivateSendmail
from .sink import Delivery, MailSink

__all__ = [
    "DOMAIN", "Daemon", "Delivery", "Exchange", "Failure", "FilterRecorder", "Folder", "Machine",
    "MailSink", "NameServer", "PROJECT", "PrivateNetwork", "PrivatePostfix", "PrivateSendmail", "Program", "Reply",
    "SMTPConversation", "Settings", "end_with_us", "executable", "free_port", "memory", "stop_all",
    "stop_on_signals", "wait_until",
]
