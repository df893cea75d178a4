dnl bmsd behind Sendmail, as the shipped bms.conf has it. In /etc/mail/sendmail.mc, before
dnl other filters: include(`/etc/mail/m4/bms.m4')dnl
dnl For another file `bmsd config mta' prints the line; take that one from the first module
dnl that enforces on.
dnl Nothing enforces yet: while bmsd is away mail goes on unfiltered.
INPUT_MAIL_FILTER(`bmsd', `S=unix:/var/spool/postfix/bms/bms.sock, T=C:30s;S:30s;R:30s;E:5m')dnl
