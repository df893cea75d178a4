// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Configuration

/// The written chapters of bmsd(8), in mdoc(7).
extension CommandPage {
  static let head = #"""
    .Sh SYNOPSIS
    .Nm
    .Ar command
    .Op Fl \-config Ar FILE
    .Op Ar arguments
    .Nm
    .Fl \-help | Fl \-version
    .Sh DESCRIPTION
    .Nm
    decides what happens to every message that a mail server receives or sends.
    It runs behind Postfix or Sendmail as a milter and reads one file,
    .Xr bms.conf 5 .
    .Ic bmsd run
    is the daemon; all other commands look after it.
    .Pp
    Each command takes
    .Fl \-config Ar FILE
    (default
    .Pa /etc/mail/bms.conf )
    and finds database and control socket through that file.
    What a command changes holds in the running daemon at once.
    .Fl \-json
    prints one JSON object a line, for programs.
    .Fl \-help
    after a command explains it.
    """#.lines

  static let operation = #"""
    .Sh OPERATION
    What a message meets is a fixed list of modules, the same at every stage;
    .Ic bmsd pipeline
    prints it.
    Each module has a mode:
    .Cm off ,
    .Cm observe
    (it runs, and what it would do is only recorded) or
    .Cm enforce .
    .Pp
    What CONNECT, HELO and MAIL decide is held and answered at RCPT, so that the log names sender and
    recipients.
    A successful AUTH cancels what was held against the client's address or name.
    .Pp
    Every refusal carries a reference of ten characters.
    .Ic bmsd explain
    tells what happened under it, module by module, with the option and the line that decided, and
    ends with the command that would let the mail through.
    .Pp
    Trouble of
    .Nm
    itself, such as a full disk or a locked database, never refuses mail for good: by the section's
    .Cm on_error
    the module is left out or the mail is deferred.
    .Pp
    Under
    .Xr systemd 1
    the socket unit
    .Pa bmsd.socket
    listens, so that connections wait while the daemon restarts.
    Its
    .Cm ListenStream=
    must be what the file says in
    .Cm [milter] socket ;
    where they differ the file holds and
    .Ic bmsd status
    says so.
    While the socket unit is active, a stopped daemon is started by the next connection: stop both.
    """#.lines

  static let macrosHead = #"""
    .Sh MTA MACROS
    The daemon asks the MTA for these macros and needs no line in its configuration for them.
    All of them may be missing.
    .Bl -tag -width Ds
    """#.lines

  static let rest = #"""
    .Sh FILES
    .Bl -tag -width Ds
    .It Pa /etc/mail/bms.conf
    The configuration, mode 0640, owned by root and group _bms.
    .It Pa /etc/mail/m4/bms.m4
    For
    .Pa sendmail.mc .
    .It Pa /var/lib/bms/bms.db
    The state that matters: greylist, bans, allow-list.
    .It Pa /var/lib/bms/bms.db.vN
    The database as it was before a new version changed its tables.
    .It Pa /var/lib/bms/trail.db
    The decision trail; it may be deleted at any time.
    A file there that is no trail of bmsd is neither changed nor moved: the trail stays off until it is
    gone.
    .It Pa /var/lib/bms/trail.db.aside , trail.db.aside.2
    Earlier trails that were damaged or of a later version; they may be deleted.
    bmsd deletes them when their entries are older than
    .Cm [trail] keep
    and
    .Cm keep_refused ,
    and overwrites none.
    .It Pa /var/lib/bms/quarantine
    Originals of mail that was changed or kept away, a file each.
    .It Pa /etc/mail/bms/attachment.txt
    The notice in the place of an attachment, where there is one of your own.
    .It Pa /var/lib/bms/bms.conf.good
    The configuration that the daemon took last.
    .It Pa /var/lib/bms/bms.conf.started
    The configuration that it began with: keys that need a restart hold as they stand there.
    .It Pa /run/bms/control.sock
    Where commands reach the daemon.
    .It Pa /var/spool/postfix/bms/bms.sock
    Where the MTA reaches the daemon, within the chroot of Debian's Postfix.
    .El
    .Sh ZONE FILES
    With
    .Fl Fl zone
    a command asks no DNS server: it answers from a file with a record on each line.
    What is not in the file does not exist.
    .Bd -literal -offset indent
    example.org               TXT  "v=spf1 mx " "-all"
    example.org               MX   10 mail.example.org
    mail.example.org          A    192.0.2.1
    1.2.0.192.in-addr.arpa    PTR  mail.example.org
    slow.example.org          TIMEOUT
    broken.example.org        SERVFAIL
    forged.example.org        BOGUS
    .Ed
    .Pp
    Types are A, AAAA, CNAME, MX, NS, PTR, SOA and TXT.
    Names are absolute; strings are quoted, and several are joined.
    .Li TIMEOUT ,
    .Li SERVFAIL
    and
    .Li BOGUS
    (DNSSEC says no) are what happens to questions for types that the name does not have.
    Lines that begin with
    .Ql #
    or
    .Ql \&;
    mean nothing.
    .Sh SIGNALS
    .Bl -tag -width Ds
    .It Dv SIGHUP , SIGUSR1
    Read the file again.
    A broken one is refused with a line in the log, and the running configuration stays.
    .Ic bmsd reload
    does the same and waits for the outcome.
    .It Dv SIGTERM , SIGINT
    Let messages under way finish, for at most
    .Cm [milter] drain ,
    begin no new ones, and end.
    A second one ends at once.
    .El
    .Sh EXIT STATUS
    As in
    .Xr sysexits 3 :
    .Bl -tag -width Ds
    .It 0
    Well.
    .It 1
    A difference was found, mail would be refused, or the daemon is degraded.
    .It 64
    Wrong usage.
    .It 65
    Bad data in the input.
    .It 66
    There is no such file.
    .It 69
    Not available: no daemon runs, or a socket or the database is in use.
    .It 70
    libmilter failed.
    .It 71 , 74
    The system failed, or an output could not be written.
    .It 75
    The daemon or a database is busy: try again.
    .It 76
    What listens on the control socket does not speak as this version does.
    .It 77
    No permission.
    .It 78
    A fault in the configuration, printed as
    .Ql file:line: what .
    .El
    .Sh EXAMPLES
    Prove the file, then let it hold:
    .Pp
    .Dl bmsd check && systemctl reload bmsd
    .Pp
    Print the lines for Postfix and Sendmail:
    .Pp
    .Dl bmsd config mta
    .Pp
    See what would have been refused since yesterday, had everything been enforced:
    .Pp
    .Dl bmsd log --would --since 1d
    .Pp
    Ask why a mail was refused:
    .Pp
    .Dl bmsd explain K7Q2M9XA4T
    .Pp
    Let a sender's waiting mail through, and never refuse the domain again:
    .Pp
    .Dl bmsd greylist pass ann@example.com bob@example.org
    .Dl bmsd allow add @example.com
    .Pp
    Decide again with the file as it is now:
    .Pp
    .Dl bmsd try --ref K7Q2M9XA4T
    .Sh SECURITY
    The daemon runs as user _bms without any capability; the unit confines it to its own folders.
    Started as root it becomes the owner of the folder of
    .Cm [store] path
    before it opens a database, and so does a command of root.
    .Pp
    Whoever can write to the milter socket can pose as the MTA: keep it to the MTA's group, or on a
    loopback address of a machine without other users.
    Whoever can write to the control socket can change lists and reload: root, the daemon's user, and
    the group of
    .Cm [control] socket_group .
    A process may give a file to a group that it is in only.
    Under
    .Xr systemd 1
    that takes
    .Ic systemctl edit bmsd
    with
    .Bd -literal -offset indent
    [Service]
    SupplementaryGroups=GROUP
    PrivateUsers=no
    SystemCallFilter=@chown
    RuntimeDirectoryMode=0751
    .Ed
    .Pp
    of which the last line lets the group pass the folder.
    Or the socket lies in a folder of its own, in mode 2750 and of that group, which
    .Cm ReadWritePaths=
    names.
    The group's members must be able to read the configuration, too:
    .Ic setfacl -m g:GROUP:r /etc/mail/bms.conf .
    Where the socket cannot have the group, the daemon starts nevertheless and
    .Ic bmsd status
    says so.
    .Pp
    The trail holds addresses and, unless
    .Cm [trail] subject
    is off, subjects; it is readable for the daemon's user and group only.
    Secrets in the file are masked in all output.
    .Sh SEE ALSO
    .Xr systemctl 1 ,
    .Xr bms.conf 5 ,
    .Xr postconf 5
    """#.lines
}

extension String {
  /// Macros as they stand, text in lines as mdoc wants them.
  fileprivate var lines: [String] {
    split(separator: "\n").flatMap { $0.hasPrefix(".") ? [String($0)] : String($0).mdocSentences }
  }
}
