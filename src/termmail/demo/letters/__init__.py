"""The sample mail, one module a theme; `termmail.demo.mail` collects it."""
