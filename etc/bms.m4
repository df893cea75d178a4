dnl bmsd behind Sendmail, as the shipped bms.conf has it. In /etc/mail/sendmail.mc, before
dnl other filters: include(`/etc/mail/m4/bms.m4')dnl
dnl For another file `bmsd config mta' prints the line.
dnl While bmsd is away mail waits at its sender: a module enforces.
INPUT_MAIL_FILTER(`bmsd', `S=unix:/var/spool/postfix/bms/bms.sock, F=T, T=C:30s;S:30s;R:30s;E:5m')dnl
