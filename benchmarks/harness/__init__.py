"""What every question uses: measuring, applications under test, servers, load, reports. Needs only the standard library where it can."""
